/*
 * leave.c - how toms-keys ends, and the memory that it wipes then.
 *
 * Called by all its parts.  Whatever way exit() is reached, secrets are wiped and files
 * that are half done are taken away.
 */
#include "toms-keys.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#define UNFINISHED_MAX	2

typedef struct Secret
{
	void	   *memory;
	struct Secret *next;
} Secret;

static Secret *secrets = NULL;
static const char *unfinished_files[UNFINISHED_MAX];
static int	unfinished_count = 0;

static void
clean_up(void)
{
	for (Secret *secret = secrets; secret != NULL; secret = secret->next)
		sodium_free(secret->memory);
	for (int i = 0; i < unfinished_count; i++)
		unlink(unfinished_files[i]);
}

void
set_up(void)
{
	if (sodium_init() < 0 || atexit(clean_up) != 0)
		fail("libsodium", "could not be set up");
}

void
fail(const char *file, const char *reason,...)
{
	va_list		args;

	fprintf(stderr, "toms-keys: %s: ", file);
	va_start(args, reason);
	vfprintf(stderr, reason, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void
usage_error(const char *what, const char *reason)
{
	fprintf(stderr, "toms-keys: %s: %s\ntry \"toms-keys --help\"\n", what, reason);
	exit(2);
}

void *
allocate(size_t size)
{
	void	   *memory = calloc(1, size);

	if (memory == NULL)
		fail("memory", "%s", strerror(errno));
	return memory;
}

void *
allocate_secret(size_t size)
{
	Secret	   *secret = allocate(sizeof(Secret));

	secret->memory = sodium_malloc(size);
	if (secret->memory == NULL)
		fail("memory", "%s", strerror(errno));
	secret->next = secrets;
	secrets = secret;
	return secret->memory;
}

void
unfinished(const char *file)
{
	if (unfinished_count == UNFINISHED_MAX)
		fail(file, "one unfinished file too many");
	unfinished_files[unfinished_count++] = file;
}

void
finished(void)
{
	unfinished_count = 0;
}

void
print_line(const char *line)
{
	if (puts(line) < 0 || fflush(stdout) != 0)
		fail("standard output", "could not write: %s", strerror(errno));
}
