/*
 * provider_program.c - keys that a program brings, from a key management system for instance.
 *
 * PROGRAM get NAME prints the key's line; PROGRAM create NAME reads it from its standard
 * input and keeps it, but never in the place of another; PROGRAM destroy NAME.  Exit code 3
 * says that there is no such key.  No key is ever on a command line.
 */
#include "keyring/keyring_int.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "keyring/program.h"
#include "port.h"
#include "utils/guc.h"

#define EXIT_NO_SUCH_KEY 3

static int	timeout = 10000;

void
toms_key_program_init(void)
{
	DefineCustomIntVariable("toms.keyring_timeout",
							"How long toms.keyring_command may take before it is killed.",
							NULL, &timeout, 10000, 100, 600000, PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

static char *
problem_of(const char *what, const char *problem)
{
	return psprintf("\"%s\": %s", what, problem);
}

static char *
get_command(const char *program, const char *name)
{
	return psprintf("%s get %s", program, name);
}

/* Whether one of the folders above it is somebody else's, or others can change what is in it. */
static bool
lies_open(const char *path)
{
	char		folder[MAXPGPATH];
	struct stat st;

	strlcpy(folder, path, sizeof(folder));
	do
	{
		get_parent_directory(folder);
		if (stat(folder, &st) < 0 || (st.st_uid != 0 && st.st_uid != geteuid()))
			return true;
		if (((st.st_mode & S_IWOTH) || ((st.st_mode & S_IWGRP) && st.st_gid != 0)) && !(st.st_mode & S_ISVTX))
			return true;
	} while (strcmp(folder, "/") != 0);
	return false;
}

/* Whether others can put another program in its place, or in that of what a link leads to. */
static bool
is_replaceable(const char *program)
{
	char	   *real = realpath(program, NULL);
	bool		replaceable = real == NULL || lies_open(program) || lies_open(real);

	free(real);
	return replaceable;
}

static char *
program_problem(const char *program, bool writing)
{
	struct stat st;

	if (program[0] != '/')
		return problem_of(program, "the path is not absolute");
	if (stat(program, &st) < 0)
		return problem_of(program, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return problem_of(program, "it is not a regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return problem_of(program, "it belongs neither to root nor to the server's user");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return problem_of(program, "others than its owner can change it");
	if (is_replaceable(program))
		return problem_of(program, "others can put another program in its place");
	if (access(program, X_OK) < 0)
		return problem_of(program, "the server cannot run it");
	return NULL;
}

/* Runs PROGRAM VERB NAME; returns what went wrong. */
static char *
run(TomsProgram *program, const char *path, const char *verb, const char *name)
{
	const char *arguments[] = {path, verb, name, NULL};
	char	   *problem = program_problem(path, false);

	if (problem)
		return problem;
	program->arguments = arguments;
	program->timeout = timeout;
	problem = toms_program_run(program);
	if (problem == NULL && program->exit_code != 0 && program->exit_code != EXIT_NO_SUCH_KEY)
		problem = psprintf("it failed with exit code %d", program->exit_code);
	if (program->complaint[0])
		ereport(LOG_SERVER_ONLY,
				(errmsg("toms.keyring_command %s %s says: %s", verb, name, program->complaint),
				 errhidestmt(true), errhidecontext(true)));
	return problem ? problem_of(psprintf("%s %s %s", path, verb, name), problem) : NULL;
}

static char *
read_key(const char *path, const char *name, char **problem)
{
	TomsProgram program = {.output_size = TOMS_KEY_LINE_BYTES};

	program.output = toms_secret_alloc(CurrentMemoryContext, TOMS_KEY_LINE_BYTES);
	*problem = run(&program, path, "get", name);
	return *problem || program.exit_code == EXIT_NO_SUCH_KEY ? NULL : program.output;
}

static char *
create_key(const char *path, const char *name, const char *line)
{
	TomsProgram program = {.input = line};
	char	   *problem = run(&program, path, "create", name);

	if (problem == NULL && program.exit_code != 0)
		problem = psprintf("\"%s create %s\": it failed with exit code %d", path, name, program.exit_code);
	return problem;
}

/* The program has kept it before it ended. */
static char *
keep_keys(const char *path)
{
	return NULL;
}

static char *
destroy_key(const char *path, const char *name)
{
	TomsProgram program = {.input = NULL};

	return run(&program, path, "destroy", name);
}

const TomsKeyProvider toms_key_program = {
	.problem = program_problem,
	.read = read_key,
	.create = create_key,
	.keep = keep_keys,
	.destroy = destroy_key,
	.place = get_command,
	.hint = "toms.keyring_command is the absolute path of a program that belongs to root or the server's user; the server's log has what it said.",
};
