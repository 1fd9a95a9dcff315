# The ways to test, check and measure Firebell. `make help` lists them.
.PHONY: help test check bench fuzz

# help: the targets below, each with what it does.
help:
	@sed -n 's/^# \([a-z]*\): /  make \1\t/p' Makefile | expand -t 15

# test: install what the tests need, then run all of them; nothing is skipped.
test:
	tests/set-up
	tests/with-postgres tests/run
	@echo 'all tests ran: nothing skipped'

# check: formatting, lints and documentation, without a single warning.
check:
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --locked

# fuzz: send the parsers what they have never seen, for FUZZ_SECONDS each (10).
fuzz:
	fuzz/run

# bench: build the release binary and measure it against the promised figures.
bench:
	cargo build --release --locked
	benches/run
