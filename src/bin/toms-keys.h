/*
 * toms-keys.h - what the parts of toms-keys share.
 *
 * Everything here lives in one short run of one thread and is undone by exit().
 */
#ifndef TOMS_KEYS_H
#define TOMS_KEYS_H

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define B64				sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define B64_SIZE(n)		sodium_base64_ENCODED_LEN(n, B64)	/* with the final NUL */

typedef enum Option
{
	OPT_JWKS,
	OPT_PRIVATE,
	OPT_KID,
	OPT_PAYLOAD,
	OPT_HEADER,
	OPT_ESCROW,
	OPT_KEYRING,
	OPT_TO,
	OPT_THRESHOLD,
	OPT_OUT,
	OPT_ONLY,
	OPT_STATUS,
	OPT_KEY,
	OPTION_COUNT
} Option;

/* What the command line gives for one option; values[0] is NULL without it. */
typedef struct Given
{
	int			count;
	const char **values;
} Given;

/* leave.c: how the program ends, and the memory that it wipes then */

/* To be called once, before anything else of libsodium or of this file but usage_error(). */
extern void set_up(void);

/* Exit code 1 and "toms-keys: FILE: reason". */
extern void fail(const char *file, const char *reason,...)
			__attribute__((noreturn, format(printf, 2, 3)));

/* Exit code 2: the command line cannot be carried out. */
extern void usage_error(const char *what, const char *reason) __attribute__((noreturn));

extern void *allocate(size_t size);

/* Memory of libsodium's for what is secret: guarded, not in core dumps, wiped at exit. */
extern void *allocate_secret(size_t size);

/* From unfinished() to finished() a failure takes the file away again. */
extern void unfinished(const char *file);
extern void finished(void);

/* Prints the line; a failure to do so is one of the program. */
extern void print_line(const char *line);

/* file.c: reading and writing files as a whole */

/* Reads to the end of the file and adds a NUL; returns the length without it. */
extern size_t read_all(int fd, const char *file, char *buf, size_t size);

/* Writes the text, makes it durable and closes the file. */
extern void write_all(int fd, const char *file, const char *text);

/* The folder that holds the file, and what makes a new name in it durable. */
extern int	open_folder(const char *file);
extern void sync_folder(int fd, const char *file);

/* Makes a file that did not exist, durable; it stays unfinished(). */
extern void write_private(const char *file, const char *text);
extern void write_public(const char *file, const char *text);

/* As read_all(); a private file that others could read or change is refused. */
extern size_t read_private(const char *file, char *buf, size_t size);
extern size_t read_file(const char *file, char *buf, size_t size);

/* True if the file is not there, or begins with one of the texts. */
extern bool may_replace(const char *file, const char *const *starts);

/* Puts the text in the place of the file in one step: readers see the old or the new one. */
extern void replace_file(const char *file, const char *text, mode_t mode);

/* scan.c: reading, by template, what this program wrote */

/* Steps over the text given; false, and no step, if something else stands there. */
extern bool skip(const char **at, const char *text);

/* Copies a word of the letters below; false if there is none or it is too long. */
#define WORD_CHARS		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:"
extern bool take(const char **at, char *into, size_t size);

/* True if the word is the base64url form of just so many bytes, which it leaves in "into". */
extern bool decode(const char *word, void *into, size_t size);

/* token.c: keys that sign tokens */
extern void command_new_token_key(const Given *opt);
extern void command_mint(const Given *opt);

/* escrow_key.c, escrow.c: copies of a keyring's keys that several persons open together */
extern void command_new_escrow_key(const Given *opt);
extern void command_escrow(const Given *opt);
extern void command_verify(const Given *opt);
extern void command_restore(const Given *opt);

#endif							/* TOMS_KEYS_H */
