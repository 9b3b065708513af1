# Everything runs in .venv, made from the hashed lock on first use. `make study` and `make test` need nothing before them.
PYTHON ?= python3
STUDY ?= quick
BENCH ?= benchmarks-cpu
BIN := .venv/bin
# Threads that wait by spinning slow each other down manifold as soon as anything else runs on the machine.
export OMP_WAIT_POLICY ?= PASSIVE
# The stages lock themselves (kpop_rca/locks.py); Snakemake's own lock outlives a Snakemake that was killed.
SNAKEMAKE = $(BIN)/snakemake --cores all --nolock --rerun-incomplete --quiet rules host progress reason
# One word to the shell, whatever a folder's name holds.
one_word = '$(subst ','\'',$(1))'
CONFIG = --config studies=$(call one_word,$(STUDY)) $(if $(SEEDS),seeds=$(call one_word,$(SEEDS))) \
    $(if $(DATA_ROOT),data_root=$(call one_word,$(DATA_ROOT)))

.PHONY: study test soak verify bench nbval lint lab notebooks lock clean

study: .venv/.complete  ## run a study: STUDY=name, DATA_ROOT=folder, SEEDS=0,1
	@trap : INT; $(SNAKEMAKE) $(CONFIG) || { status=$$?; echo >&2; \
	    echo "Not complete: why is said above, in a line that begins with error: or stopped; the same make goes on from there." >&2; \
	    exit $$status; }
	@$(BIN)/python -m kpop_rca.report --where '$(STUDY)' $(if $(SEEDS),--seeds '$(SEEDS)')

test: .venv/.complete  ## unit tests, the notebooks' structure, a smoke run of the whole graph
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile tests

soak: .venv/.complete  ## kill and fuzz for an hour: SOAK_KILLS=30 SOAK_SECONDS=600 (of each kind of fuzzing) SOAK_SEED=0
	@$(BIN)/python -m pytest tests/soak

verify: .venv/.complete  ## check every file of a study again: STUDY=name, SEEDS=0,1
	@$(BIN)/python -m kpop_rca.verify '$(STUDY)' $(if $(SEEDS),--seeds '$(SEEDS)')

bench: .venv-bench/.complete  ## how fast, beside others: BENCH=benchmarks-cpu or benchmarks-gpu
	@.venv-bench/bin/python -m kpop_rca.run 90 --study $(BENCH)
	@$(BIN)/python -m kpop_rca.report --study $(BENCH) --where $(BENCH)

nbval: .venv/.complete  ## run the committed notebooks again in a scratch folder and compare
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	KPOP_RCA_OUTPUT="$$scratch" $(BIN)/python -m pytest --nbval --nbval-cell-timeout=3600 \
	    --nbval-sanitize-with tests/notebooks/nbval_sanitize.cfg -p no:cacheprovider notebooks

lint: .venv/.complete  ## style, risky calls, known vulnerabilities of the packages
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive kpop_rca
	@$(BIN)/python .ci/audit_packages.py

lab: .venv/.complete  ## JupyterLab with this environment as its kernel: LAB="--no-browser --allow-root"
	@$(BIN)/python -m ipykernel install --sys-prefix --name python3 --display-name "kpop_rca"
	@$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks $(LAB)

notebooks: study  ## adopt the results of `quick` as the committed notebooks
	@$(BIN)/python -m kpop_rca.run adopt --study quick

.venv/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The peers that only the benchmarks need, in an environment that has everything else from .venv, which stays as it is.
.venv-bench/.complete: requirements-bench.lock .venv/.complete
	$(BIN)/python -m venv --clear .venv-bench
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	    > "$$(.venv-bench/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/locked_environment.pth"
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	    -r requirements-bench.lock
	@.venv-bench/bin/python -m ipykernel install --sys-prefix --name python3 --display-name "kpop_rca, benchmarks"
	@touch $@

lock:  ## for maintainers: resolve pyproject.toml anew (needs uv)
	uv pip compile --universal --generate-hashes --no-header --python-version 3.11 --extra dev \
	    --constraint requirements.in pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-header --no-deps --no-annotate --python-version 3.11 \
	    requirements-bench.in -o requirements-bench.lock

clean:  ## artifacts and drawn pictures; photographs that you put into data/ stay
	rm -rf artifacts data/idols-* .snakemake
