# Everything runs in .venv, made from the hashed lock on first use. `make study` and `make test` need nothing before them.
PYTHON ?= python3
BIN := .venv/bin
# Threads that wait by spinning slow each other down many times as soon as anything else runs on the machine.
export OMP_WAIT_POLICY ?= PASSIVE
# How a user sets up Python for other work; the rest of the account is left out by kpop_rca/study/account.py.
unexport PYTHONHOME PYTHONINSPECT PYTHONOPTIMIZE PYTHONPATH PYTHONSAFEPATH PYTHONSTARTUP PYTHONWARNINGS
# A script in .venv/bin names its interpreter in a line that holds no space and not more than 127 bytes: so it is the
# interpreter that is called, never a script.
APART = $(BIN)/python -m kpop_rca.study.account
# Into the environment, also where the user's pip.conf says `user = true` or names a target; its index and proxy stay.
INSTALL = python -m pip install --quiet --disable-pip-version-check --no-deps --no-user --target=
# One word to the shell, whatever a folder's name holds.
one_word = '$(subst ','\'',$(1))'
# The value of a variable that was written behind `make`, $(2) where none was. What only the environment has may be meant
# for another program, or for this one: it is neither used nor passed over without a word.
told = $(if $(filter environment,$(firstword $(origin $(1)))),$(error $(1) is set in the environment; write it behind \
    make: make $@ $(1)=$(call one_word,$(subst $$,$$$$,$(value $(1)))) $(MAKEOVERRIDES), or $(1)= there to ignore \
    it),$(if $($(1)),$($(1)),$(2)))
# An option of a command with that value, where there is one.
option = $(if $(call told,$(2)),$(1)=$(call one_word,$(call told,$(2))))
OF_A_STUDY = --study $(call one_word,$(call told,STUDY,quick)) $(call option,--seeds,SEEDS) \
    $(call option,--data-root,DATA_ROOT) $(call option,--settings,SET)
OF_A_RECORD = --study $(call one_word,$(call told,STUDY,record)) $(call option,--settings,SET)
BENCH ?= benchmarks-cpu

.PHONY: study audit score new help test soak verify bench record site nbval lint docs counts lab notebooks lock clean

study: .venv/.complete  ## run a study: STUDY=name, DATA_ROOT=folder, SEEDS=0,1, NOTEBOOKS=all, SET="train_steps=100 guidance=1.0"
	@$(BIN)/python -m kpop_rca.studies $(OF_A_STUDY) $(call option,--notebooks,NOTEBOOKS)
	@$(APART) $(BIN)/python -m kpop_rca.report --where $(call one_word,$(call told,STUDY,quick)) $(call option,--seeds,SEEDS)

audit: .venv/.complete  ## only the notebooks on the photographs, 01 and 02: STUDY=name, DATA_ROOT=folder, SET=...
	@$(BIN)/python -m kpop_rca.studies --only-data $(OF_A_STUDY)

score: .venv/.complete  ## score any generator: REAL=people GENERATED="sdxl=gen/sdxl gan=gen/gan" OUT=reports/mine
	@$(APART) $(BIN)/python -m kpop_rca.cli score $(call option,--real,REAL) $(call option,--generators,GENERATED) \
	    $(call option,--out,OUT)

new: .venv/.complete  ## write a study file that fits a folder of photographs: STUDY=mine DATA_ROOT=../faces
	@$(BIN)/python -m kpop_rca.new $(call one_word,$(call told,STUDY)) $(call one_word,$(call told,DATA_ROOT))

help:  ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

test: .venv/.complete  ## unit tests, the notebooks' structure, a smoke run of the whole graph
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile tests

soak: .venv/.complete  ## kill and fuzz for an hour: SOAK_KILLS=30 SOAK_SECONDS=600 (of each kind of fuzzing) SOAK_SEED=0
	@$(BIN)/python -m pytest tests/soak

verify: .venv/.complete  ## check every file of a study again: STUDY=name, SEEDS=0,1, and DATA_ROOT=, SET=, NOTEBOOKS= as it had
	@$(APART) $(BIN)/python -m kpop_rca.verify $(call one_word,$(call told,STUDY,quick)) $(call option,--seeds,SEEDS) \
	    $(call option,--data-root,DATA_ROOT) $(call option,--settings,SET) $(call option,--notebooks,NOTEBOOKS)

bench: .venv-bench/.complete  ## how fast, beside others: BENCH=benchmarks-cpu or benchmarks-gpu
	@.venv-bench/bin/python -m kpop_rca.run 90 --study $(BENCH)
	@$(BIN)/python -m kpop_rca.report --study $(BENCH) --where $(BENCH)

record: .venv-bench/.complete  ## time to identity, beside others: two hours; stopped, it goes on: SET="record_cap_seconds=600"
	@$(BIN)/python -m kpop_rca.studies --only-data $(OF_A_RECORD)
	@.venv-bench/bin/python -m kpop_rca.benchmarks.record $(OF_A_RECORD)

site: .venv-site/.complete  ## studies, notebooks, docs and the packages' reference as pages: SITE=folder
	@.venv-site/bin/python -m kpop_rca.report --site $(call one_word,$(call told,SITE,site))

# 10, 11 and 12, which no other notebook needs, take longer than the others together. Those that need no other notebook run
# beside the graph, most of which keeps one core busy.
NBVAL = $(APART) $(BIN)/python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=3600 \
    --nbval-sanitize-with tests/notebooks/nbval_sanitize.cfg -p no:cacheprovider
nbval: .venv/.complete  ## run the committed notebooks but 10, 11 and 12 again in a scratch folder and compare
	@scratch=$$(mktemp -d) && beside= && trap 'kill $$beside 2>/dev/null; rm -rf "$$scratch"' EXIT && \
	{ KPOP_RCA_OUTPUT="$$scratch/beside" $(NBVAL) notebooks/00_*.ipynb notebooks/08_*.ipynb notebooks/90_*.ipynb \
	    > "$$scratch/beside.txt" 2>&1 & } && beside=$$! && \
	{ KPOP_RCA_OUTPUT="$$scratch/graph" $(NBVAL) notebooks/0[1-79]_*.ipynb; graph=$$?; \
	wait $$beside; apart=$$?; beside=; cat "$$scratch/beside.txt"; exit $$((graph | apart)); }

lint: .venv/.complete  ## style, risky calls, known vulnerabilities of the packages
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/python -m kpop_rca.results.findings --check
	@$(BIN)/python -m bandit --quiet --configfile pyproject.toml --recursive kpop_rca
	@$(BIN)/python .ci/audit_packages.py

docs: .venv/.complete  ## fill the findings in README and docs from reports/; lint fails where one is stale
	@$(BIN)/python -m kpop_rca.results.findings

counts: .venv/.complete  ## of each notebook and page: cells, tables, words, sentences and those of more than 25 words
	@$(BIN)/python tests/notebook_counts.py

lab: .venv/.complete  ## JupyterLab with this environment as its kernel: LAB="--no-browser --allow-root"
	@$(BIN)/python -m ipykernel install --sys-prefix --name python3 --display-name "kpop_rca"
	@JUPYTER_PATH= JUPYTER_PREFER_ENV_PATH=1 $(BIN)/python -m jupyterlab --LabApp.default_url=/lab/tree/notebooks $(LAB)

notebooks: study  ## adopt the results of `quick` as the committed notebooks
	@$(foreach number,10 11 12,$(BIN)/python -m kpop_rca.run $(number) &&) true
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && cp reports/quick/notebooks/0[1-79]_*.ipynb notebooks && \
	cp reports/quick/notebooks/1[012]_*.ipynb notebooks && \
	for name in 00_score_your_images 08_claims 90_benchmarks; do \
	    KPOP_RCA_OUTPUT="$$scratch" $(BIN)/python -m kpop_rca.run $$name && \
	    cp "$$scratch"/reports/quick/notebooks/$$name.ipynb notebooks || exit 1; \
	done

# What is published as source alone is built by the lock's own setuptools: pip would fetch one without a hash for it.
.venv/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	sed -n '/^setuptools==/,/# via/p' requirements.lock | $(BIN)/$(INSTALL) --require-hashes -r /dev/stdin
	$(BIN)/$(INSTALL) --require-hashes --no-build-isolation -r requirements.lock
	$(BIN)/$(INSTALL) --no-build-isolation -e .
	@touch $@

# What only the benchmarks, or only the site, need, in an environment that has everything else from .venv, which stays as
# it is. Jupyter looks for templates and kernels beside its own interpreter alone, so it is told of those of .venv.
.venv-%/.complete: requirements-%.lock .venv/.complete
	$(BIN)/python -m venv --clear .venv-$*
	@$(BIN)/python -c 'import sysconfig as s; print("import os, site; site.addsitedir(%r);" % s.get_path("purelib"), \
	    "os.environ.setdefault(\"JUPYTER_PATH\", %r)" % (s.get_path("data") + "/share/jupyter"))' \
	    > "$$(.venv-$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/locked_environment.pth"
	.venv-$*/bin/$(INSTALL) --require-hashes -r requirements-$*.lock
	@touch $@

lock:  ## for maintainers: resolve pyproject.toml anew (needs uv)
	uv pip compile --universal --generate-hashes --no-header --python-version 3.11 --extra dev \
	    --constraint requirements.in pyproject.toml -o requirements.lock
	for name in bench site; do \
	    uv pip compile --universal --generate-hashes --no-header --no-deps --no-annotate --python-version 3.11 \
	        requirements-$$name.in -o requirements-$$name.lock || exit 1; \
	done

clean:  ## artifacts and drawn pictures; photographs that you put into data/ stay
	rm -rf artifacts data/idols-* .snakemake .cache
