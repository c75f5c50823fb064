/*
 * server.h - what the harnesses of libFuzzer have instead of a server.
 */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include "postgres.h"

/* The sanitizer tells the line. */
#define REQUIRE(what) do { if (!(what)) __builtin_trap(); } while (0)

/* Runs it until it returns or raises an error; what it has allocated is freed. */
extern void run(void (*attempt) (const uint8 *input, size_t length), const uint8 *input, size_t length);

extern int	LLVMFuzzerTestOneInput(const uint8 *input, size_t length);

#endif							/* FUZZ_SERVER_H */
