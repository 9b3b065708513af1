(() => {
  const index = elasticlunr(function () {
    this.addField("title"); this.addField("page"); this.addField("text"); this.setRef("id"); this.saveDocument(false);
  });
  SECTIONS.forEach((section, id) => index.addDoc({ id, ...section }));
  const field = document.getElementById("query"), list = document.getElementById("found"), count = document.getElementById("count");
  const entry = ({ ref }) => {
    const { path, page, title, text } = SECTIONS[ref], item = document.createElement("li"), link = document.createElement("a");
    link.href = path;
    link.textContent = title === page ? title : `${page} › ${title}`;
    const beginning = document.createElement("small");
    beginning.textContent = ` ${text.slice(0, 180)} …`;
    item.append(link, document.createElement("br"), beginning);
    return item;
  };
  const look = () => {
    const found = field.value.trim() ? index.search(field.value, { fields: { title: { boost: 3 }, page: { boost: 2 }, text: {} }, bool: "AND", expand: true }) : [];
    list.replaceChildren(...found.slice(0, 40).map(entry));
    count.textContent = field.value.trim() ? `${found.length} sections` : "";
  };
  field.addEventListener("input", look);
  field.value = new URLSearchParams(location.search).get("q") ?? "";
  look();
})();
