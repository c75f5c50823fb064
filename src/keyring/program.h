/*
 * program.h - running a program from a backend, for keys.
 */
#ifndef TOMS_PROGRAM_H
#define TOMS_PROGRAM_H

#include "postgres.h"

#define TOMS_PROGRAM_COMPLAINT_BYTES 256

typedef struct TomsProgram
{
	const char *const *arguments;	/* the first is its path; NULL ends them */
	const char *input;			/* its standard input, at most 512 bytes; NULL: none */
	char	   *output;			/* takes its standard output and a NUL; NULL: not wanted */
	size_t		output_size;
	int			timeout;		/* milliseconds until it is killed; 0: none */

	/* results */
	int			exit_code;		/* -1: there is none */
	char		complaint[TOMS_PROGRAM_COMPLAINT_BYTES];	/* first line of its standard error, for the log alone */
} TomsProgram;

/*
 * Run it to its end, without a shell; NULL, or why it has no exit code or no output.  It
 * gets the three streams and no other file, default signals and a session of its own, which
 * is killed on a timeout, an error or when the backend ends.
 */
extern char *toms_program_run(TomsProgram *program);

#endif							/* TOMS_PROGRAM_H */
