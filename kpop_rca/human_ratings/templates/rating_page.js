"use strict";
(() => {
  const plan = JSON.parse(document.getElementById("plan").textContent);
  const KEY = `ratings ${plan.page} ${plan.rater}`;
  const LETTERS = ["A", "B", "C"];
  const WORDS = ["bad", "poor", "fair", "good", "excellent"];
  const at = (id) => document.getElementById(id);

  // ---- what is kept: the screen, the place in the list, and the answers by the place of their item
  const fresh = () => ({ agreed: false, begun: false, place: 0, answers: {} });
  let state = fresh();
  let elsewhere = false;

  function warn(text) {
    at("warning").textContent = text;
    at("warning").hidden = false;
  }

  function load() {
    try {
      state = JSON.parse(localStorage.getItem(KEY)) || fresh();
    } catch {
      warn("This browser keeps nothing when the tab is closed. Please do not close it before the end.");
    }
  }

  function keep() {
    if (elsewhere) return;
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
    } catch {
      warn("This browser keeps nothing when the tab is closed. Please do not close it before the end.");
    }
  }

  function forget() {
    state = fresh();
    try {
      localStorage.removeItem(KEY);
    } catch {
      // where nothing can be kept, nothing is left
    }
  }

  // ---- elements
  function made(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  let screen = "";
  function show(name) {
    charge();
    screen = name;
    for (const section of document.querySelectorAll("section")) section.hidden = section.id !== name;
    const section = at(name);
    section.querySelector("h1").focus();
    window.scrollTo(0, 0);
  }

  function picture(id, caption) {
    const image = made("img", { src: plan.images[id], alt: caption, draggable: false });
    image.classList.toggle("pixelated", plan.pixelated);
    return made("figure", {}, image, made("figcaption", { textContent: caption }));
  }

  // All images of a row are as wide; one pixel of the first takes a whole number of the screen's.
  function fit(stage) {
    const images = [...stage.querySelectorAll("img")];
    if (!images.length || !stage.clientWidth) return;
    const room = (stage.clientWidth - 16 - 12 * (images.length - 1)) / images.length;
    const wide = Math.min(room, plan.widest, 0.45 * window.innerHeight);
    const side = plan.side;
    const ratio = window.devicePixelRatio || 1;
    const factor = plan.pixelated ? Math.max(1, Math.floor((wide * ratio) / side)) / ratio : wide / side;
    for (const image of images) {
      image.width = image.height = Math.round(side * factor * ratio) / ratio;
      image.style.width = image.style.height = `${(side * factor).toFixed(3)}px`;
    }
  }

  // ---- the clock: seconds go to the dimension at work, while the page is looked at
  let since = null;
  let active = "";

  function charge() {
    const now = performance.now();
    if (since !== null && screen === "rate" && active) {
      const entry = entries()[active] || (entries()[active] = { rating: null, seconds: 0 });
      entry.seconds += (now - since) / 1000;
    }
    since = document.hidden ? null : now;
  }

  // ---- items
  const item = () => plan.items[state.place];
  const entries = () => state.answers[state.place] || (state.answers[state.place] = {});
  const rating = (name) => entries()[name]?.rating ?? null;
  const isAnswered = (place) =>
    plan.items[place].dimensions.every((name) => (state.answers[place]?.[name]?.rating ?? null) !== null);

  function set(name, value) {
    charge();
    const entry = entries()[name] || (entries()[name] = { rating: null, seconds: 0 });
    entry.rating = value;
    keep();
    refresh();
  }

  function draw() {
    charge();
    const own = item();
    active = own.dimensions[0];
    const practice = plan.items.filter((each) => each.practice).length;
    const [number, of, kind] = own.practice
      ? [state.place + 1, practice, "Practice"]
      : [state.place + 1 - practice, plan.items.length - practice, plan.noun];
    at("heading").textContent = `${kind} ${number} of ${of}`;
    at("progress").max = plan.items.length;
    at("progress").value = state.place;
    const captions = own.images.length > 1 ? LETTERS : ["This image"];
    const beside = own.beside.map(([id, caption]) => picture(id, caption));
    beside.forEach((figure) => figure.classList.add("beside"));
    at("stage").replaceChildren(...own.images.map((id, k) => picture(id, captions[k])), ...beside);
    at("prompt").textContent = own.prompt ? `Description: ${own.prompt}` : "";
    at("answers").replaceChildren(...own.dimensions.map(plan.mode === "rating" ? slider : choices));
    show("rate");
    fit(at("stage"));
    refresh();
  }

  function refresh() {
    const own = item();
    const asked = own.dimensions.map((name) => plan.dimensions[name]);
    const now = plan.dimensions[active];
    for (const figure of document.querySelectorAll(".beside")) figure.classList.toggle("away", !now?.beside);
    at("prompt").hidden = !(own.prompt && now?.prompt);
    for (const field of document.querySelectorAll("fieldset")) {
      const name = field.dataset.dimension;
      field.classList.toggle("active", name === active);
      field.refresh(rating(name));
    }
    const done = isAnswered(state.place);
    at("next").setAttribute("aria-disabled", String(!done));
    at("back").disabled = state.place === 0;
    const left = asked.filter((_, k) => rating(own.dimensions[k]) === null).map((dimension) => dimension.name);
    at("said").textContent = done ? "" : `Still to answer: ${left.join(", ")}`;
  }

  function activate(name) {
    if (name === active) return;
    charge();
    active = name;
    refresh();
  }

  function field(name, ...children) {
    const element = made("fieldset", {}, ...children);
    element.dataset.dimension = name;
    element.addEventListener("focusin", () => activate(name));
    element.addEventListener("pointerdown", () => activate(name));
    return element;
  }

  function slider(name) {
    const { name: title, question } = plan.dimensions[name];
    const range = made("input", { type: "range", min: "0", max: "5", step: "0.01", id: `slider-${name}` });
    range.setAttribute("aria-describedby", `asked-${name}`);
    const output = made("output", { htmlFor: range.id });
    const chosen = () => set(name, Number(range.value));
    range.addEventListener("input", chosen);
    range.addEventListener("pointerup", chosen); // a press where the knob is changes nothing, and is an answer
    range.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      const digit = /^[0-5]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey;
      if (by === undefined && !digit && event.key !== " ") return;
      event.preventDefault();
      const step = event.shiftKey ? 0.01 : 0.1;
      if (digit) range.value = event.key;
      if (by) range.value = (Number(range.value) + by * step).toFixed(2);
      chosen();
    });
    const element = field(
      name,
      made("div", { className: "line" }, made("label", { htmlFor: range.id, textContent: title }), output),
      made("p", { className: "asked", id: `asked-${name}`, textContent: question }),
      range,
      made("div", { className: "words", ariaHidden: "true" }, ...WORDS.map((word) => made("span", { textContent: word }))),
    );
    element.refresh = (value) => {
      range.value = value ?? 2.5;
      range.classList.toggle("untouched", value === null);
      output.textContent = value === null ? "–" : value.toFixed(2);
      const word = WORDS[Math.min(4, Math.floor(value ?? 0))];
      range.setAttribute("aria-valuetext", value === null ? "not answered" : `${value.toFixed(2)} of 5, ${word}`);
    };
    return element;
  }

  // Of a pair: "first", "second" or "tie". Of a triplet: the places, best first, such as [2, 0, 1]. "none": no face.
  function choices(name) {
    const pair = plan.mode === "pairwise";
    const options = pair
      ? [["first", "A is better", "a"], ["tie", "Equally good", "t"], ["second", "B is better", "b"]]
      : item().images.map((_, k) => [k, LETTERS[k], LETTERS[k].toLowerCase()]);
    options.push(["none", "No face in any image", "n"]);
    const buttons = options.map(([value, text, key]) => {
      const button = made("button", { type: "button", textContent: text });
      button.dataset.key = key;
      button.addEventListener("click", () => set(name, pair || value === "none" ? value : ranked(rating(name), value)));
      return [button, value, text];
    });
    const { name: title, question } = plan.dimensions[name];
    const element = field(
      name,
      made("legend", { textContent: title }),
      made("p", { className: "asked", textContent: question }),
      made("div", { className: "buttons" }, ...buttons.map(([button]) => button)),
    );
    element.refresh = (answer) => {
      const order = draft || (Array.isArray(answer) ? answer : []);
      for (const [button, value, text] of buttons) {
        const rank = order.indexOf(value);
        button.setAttribute("aria-pressed", String(answer === value || rank >= 0));
        button.textContent = rank >= 0 ? `${text}: ${["best", "second", "third"][rank]}` : text;
      }
    };
    return element;
  }

  // A ranking that is not complete is no answer yet: it waits in `draft`.
  let draft = null;
  function ranked(answer, value) {
    const all = item().images.length;
    let order = draft || [];
    order = order.includes(value) ? order.filter((each) => each !== value) : [...order, value];
    if (order.length === all - 1) order.push([...Array(all).keys()].find((each) => !order.includes(each)));
    draft = order.length === all ? null : order;
    return draft ? null : order;
  }

  // ---- going on, back, away
  function go(by) {
    if (by > 0 && !isAnswered(state.place)) {
      const open = item().dimensions.find((name) => rating(name) === null);
      document.querySelector(`fieldset[data-dimension="${open}"] :is(input, button)`).focus();
      return;
    }
    if (by < 0 && state.place === 0) return;
    charge();
    active = ""; // the time until the next item is drawn is nobody's
    draft = null;
    state.place += by;
    keep();
    open();
    focusFirst();
  }

  function focusFirst() {
    if (screen === "rate" && plan.mode === "rating") at("answers").querySelector("input").focus({ preventScroll: true });
  }

  function open() {
    if (!state.agreed) return show("consent");
    if (!state.begun) return guide();
    if (state.place >= plan.items.length) return show("end");
    return draw();
  }

  function guide() {
    show("guide");
    if (!plan.examples) return;
    at("examples").replaceChildren(...plan.examples.map(([id, caption]) => picture(id, caption)));
    fit(at("examples"));
  }

  // ---- the files to send back
  const two = (number) => Number(number.toFixed(2));

  function rowsOf(place) {
    const own = plan.items[place];
    return own.dimensions.flatMap((dimension) => {
      const entry = state.answers[place]?.[dimension];
      if ((entry?.rating ?? null) === null) return [];
      const { rating: answer } = entry;
      const rest = { trial: own.trial, seconds: two(entry.seconds) };
      if (plan.mode === "rating") return [{ rater: plan.rater, image: own.images[0], dimension, rating: two(answer), ...rest }];
      const [first, second] = own.images;
      if (plan.mode === "pairwise") return [{ rater: plan.rater, first, second, dimension, answer, ...rest }];
      return own.images.map((image, k) => {
        const score = answer === "none" ? "" : own.images.length - answer.indexOf(k); // the best of three has 3
        return { rater: plan.rater, image, dimension, rating: score, ...rest, triplet: own.name };
      });
    });
  }

  const places = (practice) => [...plan.items.keys()].filter((place) => Boolean(plan.items[place].practice) === practice);
  const rows = (practice) => places(practice).flatMap(rowsOf);

  function csv() {
    const lines = rows(false).map((row) => plan.columns.map((name) => row[name]).join(","));
    return `${[plan.columns.join(","), ...lines].join("\n")}\n`;
  }

  function json() {
    const about = { version: plan.version, page: plan.page, rater: plan.rater, mode: plan.mode };
    const complete = places(false).every(isAnswered);
    const window_ = { width: window.innerWidth, height: window.innerHeight, pixel_ratio: window.devicePixelRatio };
    return JSON.stringify({ ...about, complete, window: window_, ratings: rows(false), practice: rows(true) }, null, 1);
  }

  const saved = new Set();
  function save(ending, text, type) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    made("a", { href: address, download: `${plan.rater}_${plan.page}.${ending}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    saved.add(ending);
    at("clear").disabled = !(saved.has("csv") && saved.has("json"));
  }

  const saveCsv = () => save("csv", csv(), "text/csv");
  const saveJson = () => save("json", json(), "application/json");

  // ---- what is pressed
  const pressed = {
    agree: () => { state.agreed = true; keep(); open(); },
    decline: () => { forget(); show("declined"); },
    begin: () => { state.begun = true; keep(); open(); focusFirst(); },
    next: () => go(1),
    back: () => go(-1),
    review: () => go(-1),
    pause: () => { show("paused"); keep(); },
    resume: () => { open(); focusFirst(); },
    rules: () => guide(),
    part: () => { saveCsv(); saveJson(); },
    withdraw: () => {
      if (!window.confirm("Delete all your answers from this browser?")) return;
      forget();
      show("declined");
    },
    csv: saveCsv,
    json: saveJson,
    clear: () => { forget(); show("cleared"); },
  };
  for (const [id, action] of Object.entries(pressed)) at(id).addEventListener("click", action);
  at("answers").addEventListener("submit", (event) => event.preventDefault());

  document.addEventListener("keydown", (event) => {
    if (screen !== "rate" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key.toLowerCase();
    const onButton = event.target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ");
    if (onButton) return;
    const choice = document.querySelector(`#answers button[data-key="${CSS.escape(key)}"]`);
    const action = { enter: () => go(1), backspace: () => go(-1), p: pressed.pause }[key] || (choice && (() => choice.click()));
    if (!action) return;
    event.preventDefault();
    action();
  });

  document.addEventListener("visibilitychange", () => { charge(); if (state.agreed) keep(); });
  window.addEventListener("pagehide", () => { charge(); if (state.agreed) keep(); });
  window.addEventListener("resize", () => { fit(at("stage")); if (plan.examples) fit(at("examples")); });
  window.addEventListener("storage", (event) => {
    if (event.key !== KEY) return;
    elsewhere = true;
    for (const section of document.querySelectorAll("section")) section.hidden = true;
    warn("This page is open in another tab. Please go on there, and close this one.");
  });

  load();
  open();
})();
