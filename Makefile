# Everything runs in .venv, made from the hashed lock on first use. `make study` and `make test` need nothing before them.
PYTHON ?= python3
STUDY ?= quick
BIN := .venv/bin
# Threads that wait by spinning slow each other down manifold as soon as anything else runs on the machine.
export OMP_WAIT_POLICY ?= PASSIVE
# The stages lock themselves (kpop_rca/locks.py); Snakemake's own lock outlives a Snakemake that was killed.
SNAKEMAKE = $(BIN)/snakemake --cores all --nolock --rerun-incomplete --quiet rules host progress reason
comma := ,
CONFIG = --config studies=$(STUDY) $(if $(SEEDS),seeds=$(SEEDS)) $(if $(DATA_ROOT),data_root=$(DATA_ROOT))

.PHONY: study test verify nbval lint lab notebooks lock clean

study: .venv/.complete  ## run a study: STUDY=name, DATA_ROOT=folder, SEEDS=0,1
	@$(SNAKEMAKE) $(CONFIG)
	@$(BIN)/python -m kpop_rca.report --where $(STUDY) $(if $(SEEDS),--seeds $(SEEDS))

test: .venv/.complete  ## unit tests, the notebooks' structure, a smoke run of the whole graph
	@$(BIN)/python -m pytest tests

verify: .venv/.complete  ## check every file of a study again: STUDY=name, SEEDS=0,1
	@$(BIN)/python -m kpop_rca.verify $(if $(SEEDS),$(foreach seed,$(subst $(comma), ,$(SEEDS)),$(STUDY)-seed$(seed)),$(subst $(comma), ,$(STUDY)))

nbval: .venv/.complete  ## run the committed notebooks again in a scratch folder and compare
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	KPOP_RCA_OUTPUT="$$scratch" $(BIN)/python -m pytest --nbval --nbval-cell-timeout=3600 \
	    --nbval-sanitize-with tests/notebooks/nbval_sanitize.cfg -p no:cacheprovider notebooks

lint: .venv/.complete
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

lab: .venv/.complete  ## JupyterLab with this environment as its kernel
	@$(BIN)/python -m ipykernel install --sys-prefix --name python3 --display-name "kpop_rca" && $(BIN)/jupyter lab notebooks

notebooks: study  ## adopt the results of `quick` as the committed notebooks
	@$(BIN)/python -m kpop_rca.run adopt --study quick

.venv/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock:  ## for maintainers: resolve pyproject.toml anew (needs uv)
	uv pip compile --universal --generate-hashes --no-header --python-version 3.11 --extra dev \
	    --constraint requirements.in pyproject.toml -o requirements.lock

clean:
	rm -rf artifacts data .snakemake
