# Builds, installs and tests the toms extension with PGXS.
# A slice is one folder below src; SLICES fixes the order of linking, installation,
# testing and the only direction in which one slice may include another.

EXTENSION  = toms
MODULE_big = toms
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" toms.control)

SLICES = base catalog trail keyring context purpose policy seal statistic guard login audit retention rights evidence

SOURCES   = src/toms.c src/hooks.c src/shmem.c $(foreach s,$(SLICES),$(sort $(wildcard src/$(s)/*.c)))
HEADERS_  = $(wildcard src/*.h src/*/*.h)
OBJS      = $(SOURCES:.c=.o)
# of each slice the fragment of its name, then the others by theirs
FRAGMENTS = $(foreach s,$(SLICES),$(wildcard src/$(s)/$(s).sql) $(filter-out src/$(s)/$(s).sql,$(sort $(wildcard src/$(s)/*.sql))))
SCRIPT    = sql/extension/toms--$(EXTVERSION).sql

# from the version before: what the installation scripts do not have in common, and what is written by hand
PREVIOUS   = 1.0
UPGRADE    = sql/extension/toms--$(PREVIOUS)--$(EXTVERSION).sql
RELEASED   = sql/extension/toms--$(PREVIOUS).sql.gz
BY_HAND    = $(wildcard sql/extension/$(PREVIOUS)--$(EXTVERSION).sql)

DATA_built = $(SCRIPT) $(UPGRADE)

# of slices in turn; what all have in common is taken down last
tests_of  = $(foreach s,$(1),$(patsubst sql/%.sql,%,$(sort $(wildcard sql/$(s).sql sql/$(s)_*.sql))))
REGRESS   = $(filter-out guard_teardown,$(call tests_of,$(filter-out evidence,$(SLICES)))) guard_teardown
# a check tells of all that there is: these have a database of their own
EVIDENCE  = base guard $(call tests_of,evidence) guard_teardown
UPGRADED  = base guard policy policy_permission policy_partition purpose seal_value guard_admin audit_change audit_read retention_run rights_export guard_teardown
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=output_iso --load-extension=toms
ifndef NO_TAP
TAP_TESTS   = 1
PROVE_TESTS = test/t/*.pl
endif

PG_CPPFLAGS = -I$(srcdir)/src -DTOMS_VERSION='"$(EXTVERSION)"' -DTOMS_PREVIOUS='"$(PREVIOUS)"'
SHLIB_LINK  = -lsodium
TOOLS       = src/bin/toms-keys src/bin/verify/toms-verify
MANUALS     = toms-keys.1 toms-verify.1
EXTRA_CLEAN = $(DATA_built) $(TOOLS) test/previous test/verify/verify test/bench/bench test/bench/seal/sodium test/bench/turns/turns output_iso tmp_check tmp_check_regress tmp_check_iso test-output

PG_CONFIG ?= pg_config

# Settings of every server that tests start: TAP nodes, and pg_regress with --temp-instance.
export TEMP_CONFIG = $(CURDIR)/test/toms.conf

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# Without PostgreSQL's build files only the targets that fetch them can run.
ifneq ($(PGXS),)
include $(PGXS)

# The programs know nothing of PostgreSQL's version: who builds toms for several brings them once.
ifndef NO_TOOLS
all: $(TOOLS)
install: install-tools
endif
$(OBJS) $(OBJS:.o=.bc): $(HEADERS_) toms.control

# What a function of toms prints of names it stores, or looks up again: so that is not the client's to choose.
PINNED = s/(SET search_path = pg_catalog, pg_temp)( AS| SET|$$)/\1 SET quote_all_identifiers = off\2/
$(SCRIPT): $(FRAGMENTS) toms.control Makefile
	@mkdir -p $(@D)
	for f in $(FRAGMENTS); do echo "-- $$f"; sed -E '$(PINNED)' $$f; done > $@

$(UPGRADE): $(SCRIPT) $(RELEASED) $(BY_HAND) sql/extension/upgrade.pl
	perl sql/extension/upgrade.pl $(RELEASED) $(SCRIPT) $(BY_HAND) > $@.new
	mv $@.new $@

src/bin/toms-keys: $(wildcard src/bin/*.[ch]) toms.control
	$(CC) $(CFLAGS) $(CPPFLAGS) -DTOMS_VERSION='"$(EXTVERSION)"' $(filter %.c,$^) -o $@ $(LDFLAGS) -lsodium
src/bin/verify/toms-verify: $(wildcard src/bin/verify/*.[ch]) toms.control
	$(CC) $(CFLAGS) $(CPPFLAGS) -DTOMS_VERSION='"$(EXTVERSION)"' $(filter %.c,$^) -o $@ $(LDFLAGS) -lsodium

# Proofs, logs, chains and archives made up, and what comes of each byte of them when it is altered.
VERIFY_PARTS = $(filter-out src/bin/verify/toms-verify.c,$(wildcard src/bin/verify/*.c))
test/verify/verify: $(wildcard test/verify/*.[ch]) $(wildcard src/bin/verify/*.[ch])
	$(CC) -O2 -g -Wall -Isrc/bin/verify test/verify/*.c $(VERIFY_PARTS) -o $@ -lsodium

# The library with the number of the version before: what runs on while its file is replaced already.
OF_VERSION = base/version guard/admin_ddl guard/explain
test/previous/toms.so: $(OBJS)
	@mkdir -p $(@D)
	$(foreach o,$(OF_VERSION),$(CC) $(CFLAGS) $(CFLAGS_SL) $(CPPFLAGS) -UTOMS_VERSION -DTOMS_VERSION='"$(PREVIOUS)"' -c src/$(o).c -o test/previous/$(notdir $(o)).o &&) \
	$(CC) $(CFLAGS) -shared $(filter-out $(OF_VERSION:%=src/%.o),$(OBJS)) $(foreach o,$(OF_VERSION),test/previous/$(notdir $(o)).o) -o $@ $(LDFLAGS) $(SHLIB_LINK)

install-tools: $(TOOLS)
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $(TOOLS) '$(DESTDIR)$(bindir)/'
	$(MKDIR_P) '$(DESTDIR)$(mandir)/man1'
	$(INSTALL_DATA) $(addprefix $(srcdir)/doc/,$(MANUALS)) '$(DESTDIR)$(mandir)/man1/'
uninstall: uninstall-tools
uninstall-tools:
	rm -f $(addprefix '$(DESTDIR)$(bindir)'/,$(notdir $(TOOLS))) $(addprefix '$(DESTDIR)$(mandir)/man1'/,$(MANUALS))
endif

# That PG_TRY() saves and restores what is around it is not seen by -Wclobbered.
WARNINGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-clobbered

# Warnings are errors, assertions and debug points are compiled in.
debug:
	$(MAKE) clean
	$(MAKE) all with_llvm=no COPT="-O0 -g -DTOMS_DEBUG -DUSE_ASSERT_CHECKING $(WARNINGS)"

# On any Debian machine: install what is missing, then work in a throw-away copy. Other versions of
# PostgreSQL go on beside, since the TAP tests mostly wait; what they say comes last.
BESIDE = LIMIT=20m nice test/versions.sh check-beside 17; LIMIT=20m nice test/versions.sh check-compilers 18
test:
	@{ trap 'kill 0' INT; beside=$$(mktemp); { $(BESIDE); } >$$beside 2>&1 & \
	REQUIRED=15 test/versions.sh check-all 15; wait; cat $$beside; rm $$beside; } 2>&1 | perl -ne "$$COUNT"
demo:
	test/sandbox.sh make -s check-demo

# Builds and tests with all versions of PostgreSQL that toms is for and Debian has; VERSIONS=18 with that one.
VERSIONS = 15 17 18 19
test-versions:
	@REQUIRED='15 17' test/versions.sh check-version $(VERSIONS) 2>&1 | perl -ne "$$COUNT"

# One line for each measure of the five reference systems.
compliance:
	test/sandbox.sh make -s check-compliance

# Asks the source alone; exported symbols too where toms.so has been built.
lint:
	test/lint.sh

# What the upgrade from the version before does, or what of it is still to be written by hand.
upgrade-diff: $(SCRIPT)
	@perl sql/extension/upgrade.pl $(RELEASED) $(SCRIPT) $(BY_HAND)

# The whole table of what toms costs, a part for each of those below; half an hour, BENCH=-q some minutes.
bench:
	test/sandbox.sh make -s check-bench BENCH='$(BENCH)'

# Measures row security against a filter written by hand; takes twenty minutes, BENCH=-q one.
bench-tenant:
	test/sandbox.sh make -s check-bench-tenant BENCH='$(BENCH)'

# Measures sealing against libsodium and pgcrypto; some minutes, BENCH=-q some seconds.
bench-seal:
	test/sandbox.sh make -s check-bench-seal BENCH='$(BENCH)'

# Measures the audit trail beside a hand-written trigger; six minutes, BENCH=-q half of one.
bench-audit:
	test/sandbox.sh make -s check-bench-audit BENCH='$(BENCH)'

# Measures what retention costs a client beside a plain DELETE; half an hour, BENCH=-q one minute.
bench-retention:
	test/sandbox.sh make -s check-bench-retention BENCH='$(BENCH)'

# Measures toms.check() on many tables, partitions and tenants; some minutes, BENCH=-q half of one.
bench-check:
	test/sandbox.sh make -s check-bench-check BENCH='$(BENCH)'

# Measures exports and erasures of persons among many rows; two minutes, BENCH=-q ten seconds.
bench-rights:
	test/sandbox.sh make -s check-bench-rights BENCH='$(BENCH)'

# Debian packages, built twice, looked through and tried; in a folder of dist/ for each of Debian's suites.
# VERSIONS='15 17 18' makes those of others than this machine's.
deb: VERSIONS = 15
deb:
	@REQUIRED='$(VERSIONS)' test/versions.sh check-deb $(VERSIONS) 2>&1 | perl -ne "$$COUNT"
# The archive for PGXN, of what is committed; built and tried from what it holds; in dist/.
dist:
	test/dist.sh

# PostgreSQL's own regression tests with toms: what differs, and why; some minutes.
test-core:
	test/sandbox.sh make -s check-core

# Parsers of what comes from outside, with inputs made up by libFuzzer; half an hour.
fuzz:
	test/sandbox.sh make -s check-fuzz FUZZ_SECONDS=600

# Statements that SQLsmith makes up, with a context of one tenant, and what the server answers; an hour, SMITH_SECONDS=60 a minute and the build.
smith:
	test/sandbox.sh make -s check-smith SMITH_SECONDS='$(SMITH_SECONDS)'

# The five examples at work in one server that is killed on the way, and whether the books balance; an hour, LOAD_SECONDS=60 four minutes.
load:
	test/sandbox.sh make -s check-load LOAD_SECONDS='$(LOAD_SECONDS)'

# Measures the audit trail of reads beside synchronous INSERTs; six minutes, BENCH=-q one.
bench-read:
	test/sandbox.sh make -s check-bench-read BENCH='$(BENCH)'

# Measures GDPRbench's four personas on bare PostgreSQL, the usual retrofit, its peers and toms; ten minutes, BENCH=-q half of one.
bench-gdpr:
	test/sandbox.sh make -s check-bench-gdpr BENCH='$(BENCH)'

# Measures whether a statement costs more with many tenants, permissions, tables, partitions, entries; four minutes, BENCH=-q one.
bench-growth:
	test/sandbox.sh make -s check-bench-growth BENCH='$(BENCH)'

# Breaks the library in many places and sees that the tests notice; takes some minutes.
mutants:
	test/sandbox.sh make -s check-mutants

# The C source, looked at by cppcheck, clang-tidy and gcc's analyzer; some minutes.
analyze:
	test/sandbox.sh make -s check-analyze

# What part of the lines of C the tests run; an hour, COVERAGE='check-regress' some minutes.
coverage:
	test/sandbox.sh make -s check-coverage COVERAGE='$(COVERAGE)'

# Regression and isolation tests with assertions in PostgreSQL and sanitizers in toms; half an hour.
sanitize:
	test/sandbox.sh make -s check-sanitize

# Regression tests under valgrind; takes an hour or two, REGRESS='base keyring' some minutes.
memcheck:
	test/sandbox.sh make -s check-memcheck REGRESS='$(REGRESS)'

# What takes too long for "make test"; several hours.
nightly:
	test/sandbox.sh make -s check-nightly

# The targets below are run in the copy: they install into the PostgreSQL of PG_CONFIG and
# start servers of their own.
check-build:
	$(MAKE) all with_llvm=no
	$(MAKE) install with_llvm=no
	gzip -dc $(RELEASED) > '$(DESTDIR)$(datadir)/extension/toms--$(PREVIOUS).sql'
check-lint: lint
check-regress:
	$(if $(REGRESS),$(pg_regress_installcheck) $(TEMP_CONF) --temp-instance='$(CURDIR)/tmp_check_regress' \
		$(REGRESS_OPTS) $(REGRESS) || $(call explain,.))
check-evidence:
	$(MAKE) check-regress REGRESS='$(EVIDENCE)'
# The same tests in databases that were upgraded, which CREATE EXTENSION does by itself where the new script is not there;
# and in those that have not been: with the library of now and the SQL of before.
check-upgrade:
	test/upgraded.sh $(PREVIOUS) $(EXTVERSION) $(MAKE) -s check-regress REGRESS='$(UPGRADED)'
check-isolation:
	$(if $(ISOLATION),$(pg_isolation_regress_installcheck) $(TEMP_CONF) --temp-instance='$(CURDIR)/tmp_check_iso' \
		$(ISOLATION_OPTS) $(ISOLATION) || $(call explain,output_iso))
# They mostly wait, so that two go on at a time, but for those that test/rules.yml names.
PROVE_FLAGS = -j2
check-tap: export HARNESS_RULESFILE = $(CURDIR)/test/rules.yml
check-tap: test/verify/verify test/previous/toms.so
	$(if $(wildcard $(PROVE_TESTS)),$(prove_installcheck) || $(explain_tap))
# With gcc or clang, whose warnings are errors; clang does not know all that PostgreSQL was built with.
CLANG_WARNINGS = -Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes -Wno-missing-field-initializers -Wno-cast-function-type-strict
check-gcc check-clang: check-%:
	$(MAKE) clean
	$(MAKE) all with_llvm=no CC=$* COPT="$(WARNINGS) $(if $(filter clang,$*),$(CLANG_WARNINGS))"
	@echo 'ok - $* has no warning'
# For the older PostgreSQL that stands beside, to come from with pg_upgrade and dumps; its headers are no C23.
check-older:
	$(if $(OLDER),$(MAKE) clean && $(MAKE) all install with_llvm=no PG_CONFIG='$(OLDER)/bin/pg_config' COPT=-std=gnu17)
# What was said to a test that did not pass is in a file of its own.
explain_tap = { for log in $$(grep -lE '^(\[[^]]*\]\([^)]*\))? *(not ok|\# Looks like)' tmp_check/log/regress_log_*); do echo "\# $$log"; tail -n 40 $$log | sed 's/^/\# /'; done; false; }
explain = { tail -n 100 $(1)/regression.diffs $(1)/log/postmaster.log; false; }
check-demo: check-build
	bash examples/absence/demo.sh
	bash examples/report.sh

# What is proven is told by what the tests printed, whatever pg_regress thinks of it.
COMPLIANCE = $(patsubst examples/%/protect.sql,evidence_%,$(filter-out examples/clients/%,$(wildcard examples/*/protect.sql)))
check-compliance: check-build
	rm -rf results && mkdir -p test-output
	$(MAKE) -s check-regress REGRESS='base guard $(COMPLIANCE) guard_teardown' >test-output/compliance.log 2>&1 || true
	perl test/compliance.pl

FUZZ_SECONDS = 15
check-fuzz: test/verify/verify
	test/fuzz/run.sh $(FUZZ_SECONDS)

check-analyze:
	test/analyze.sh

COVERAGE = check-regress check-evidence check-isolation check-tap
check-coverage:
	test/coverage.sh $(MAKE) -s -k $(COVERAGE)

check-sanitize:
	test/asserted.sh test/sanitize.sh $(MAKE) -s -k check-regress check-evidence check-isolation

check-memcheck:
	test/asserted.sh test/memcheck.sh $(MAKE) -s check-regress REGRESS='$(REGRESS)'

SMITH_SECONDS = 3600
check-smith: debug
	$(MAKE) install with_llvm=no
	test/smith/run.sh $(SMITH_SECONDS)

LOAD_SECONDS = 3600
check-load: check-build
	test/load/run.sh $(LOAD_SECONDS)

check-deb:
	@test/deb.sh | perl -ne "$$COUNT"

check-core: check-build
	test/core/run.sh "$$TOMS_SANDBOX/core/src/test/regress"

check-mutants: check-build
	test/mutants.sh

check-bench: check-build test/bench/bench test/bench/seal/sodium test/bench/turns/turns
	test/bench/all.sh $(BENCH)
check-bench-tenant: check-build test/bench/bench
	test/bench/run.sh $(BENCH)
test/bench/bench: $(wildcard test/bench/*.[ch])
	$(CC) -O2 -Wall -I'$(shell $(PG_CONFIG) --includedir)' $(filter %.c,$^) -o $@ -L'$(shell $(PG_CONFIG) --libdir)' -lpq
test/bench/seal/sodium: test/bench/seal/sodium.c
	$(CC) -O2 -Wall $< -o $@ -lsodium
test/bench/turns/turns: test/bench/turns/turns.c
	$(CC) -O2 -Wall -I'$(shell $(PG_CONFIG) --includedir)' $< -o $@ -L'$(shell $(PG_CONFIG) --libdir)' -lpq
check-bench-seal: check-build test/bench/seal/sodium
	test/bench/seal/run.sh $(BENCH)
check-bench-audit: check-build
	test/bench/audit/run.sh $(BENCH)
check-bench-read: check-build
	test/bench/read/run.sh $(BENCH)
check-bench-retention: check-build
	test/bench/retention/run.sh $(BENCH)
check-bench-gdpr: check-build test/bench/turns/turns
	test/bench/gdpr/run.sh $(BENCH)
check-bench-growth: check-build test/bench/turns/turns
	test/bench/growth/run.sh $(BENCH)
check-bench-rights: check-build
	test/bench/rights/run.sh $(BENCH)
check-bench-check: check-build
	test/bench/check/run.sh $(BENCH)

# Runs every stage, also after one has failed, and counts what the tools report. A stage that
# fails without naming a failed test (a build, a server that does not start) counts as one.
STAGES = build lint regress evidence upgrade isolation tap fuzz demo
NIGHTLY = analyze coverage sanitize memcheck
check-nightly:
	$(MAKE) -s check-all STAGES='$(NIGHTLY)'
check-all:
	@for stage in $(STAGES); do \
		echo "=== $$stage"; \
		$(MAKE) -s check-$$stage PROVE_FLAGS='-j2 --verbose' || echo "=== $$stage failed"; \
	done 2>&1 | perl -ne "$$COUNT"

# What a version of PostgreSQL can break: of the TAP tests those of its programs, hooks and processes.
VERSION_TESTS = base_preload base_upgrade base_rolling_upgrade policy_dump policy_upgrade policy_replication policy_two_way purpose_carried seal_dump seal_replication login \
	audit_dump audit_upgrade audit_copies audit_worker audit_neighbours retention_dump retention_worker
check-version:
	$(MAKE) check-all STAGES='older clang gcc build regress evidence upgrade isolation tap' PROVE_TESTS='$(VERSION_TESTS:%=test/t/%.pl)'
# Evidence asks until when a version is supported, and what it shipped with.
check-candidate:
	$(MAKE) check-all STAGES='clang gcc build regress isolation'
check-beside:
	$(MAKE) check-all STAGES='clang gcc build regress evidence'
check-compilers:
	$(MAKE) check-all STAGES='clang gcc'

define COUNT
BEGIN { $$| = 1; $$passed = $$failed = $$skipped = 0 }
print;
if    (/^=== \w+$$/)                                { $$before = $$failed }
elsif (/^=== \w+ failed$$/)                         { $$failed++ if $$failed == $$before }
elsif (/^(not )?ok (- |\d).*# (skip|todo)/i)        { $$skipped++ }
elsif (/^ok (- |\d)|^test \S+ +\.\.\. ok\b/)        { $$passed++ }
elsif (/^not ok (- |\d)|^test \S+ +\.\.\. FAILED/)  { $$failed++ }
END {
	print "$$passed passed, $$failed failed", $$skipped ? ", $$skipped skipped" : "", "\n";
	$$? = $$failed || !$$passed ? 1 : 0;
}
endef
export COUNT

# What makes a throw-away copy and goes on in it with check-….
GOALS = demo compliance deb bench bench-tenant bench-seal bench-audit bench-read bench-retention bench-rights bench-check bench-gdpr bench-growth mutants analyze coverage sanitize memcheck nightly fuzz smith load
.PHONY: debug upgrade-diff install-tools uninstall-tools lint dist test test-versions test-core $(GOALS) $(GOALS:%=check-%) \
	check-all check-version check-candidate check-beside check-compilers check-older check-gcc check-clang \
	check-build check-lint check-regress check-evidence check-upgrade check-isolation check-tap check-core

ifeq ($(PGXS),)
all install installcheck:
	@echo "No pg_config found: apt-get install postgresql-server-dev-15, or set PG_CONFIG." >&2; exit 1
.DEFAULT_GOAL = all
.PHONY: all install installcheck
endif
