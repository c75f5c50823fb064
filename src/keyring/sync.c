/*
 * sync.c - toms.keyring_sync_command: a new key is elsewhere too before it is used.
 *
 * Called by keyring.c between making a key and using it.  The command is the shell's, like
 * archive_command: whoever writes the server's configuration wrote it.  It has no timeout,
 * but the statement that waits for it can be cancelled.
 */
#include "keyring/keyring_int.h"

#include "keyring/program.h"
#include "lib/stringinfo.h"
#include "utils/guc.h"

static char *command = NULL;

void
toms_keyring_sync_init(void)
{
	DefineCustomStringVariable("toms.keyring_sync_command",
							   "Shell command that brings a new key to where it is needed too.",
							   "%p is the key's file, %f its name. A key is not used unless it succeeds.",
							   &command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
}

/* The command with %p, %f and %% replaced; NULL if it wants a file and the key is none. */
static char *
expand(const char *path, const char *name)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const char *c = command; *c; c++)
	{
		if (c[0] != '%' || c[1] == '\0')
			appendStringInfoChar(&text, *c);
		else if (*++c == 'p' && path == NULL)
			return NULL;
		else if (*c == 'p')
			appendStringInfoString(&text, path);
		else if (*c == 'f')
			appendStringInfoString(&text, name);
		else if (*c == '%')
			appendStringInfoChar(&text, '%');
		else
			appendStringInfo(&text, "%%%c", *c);
	}
	return text.data;
}

char *
toms_keyring_sync(const char *path, const char *name)
{
	const char *arguments[] = {"/bin/sh", "-c", NULL, NULL};
	TomsProgram program = {.arguments = arguments};
	char	   *problem;

	if (command == NULL || command[0] == '\0')
		return NULL;
	arguments[2] = expand(path, name);
	if (arguments[2] == NULL)
		return pstrdup("toms.keyring_sync_command has %p, but the keys of toms.keyring_command are not files");
	problem = toms_program_run(&program);
	if (program.complaint[0])
		ereport(LOG_SERVER_ONLY,
				(errmsg("toms.keyring_sync_command for %s says: %s", name, program.complaint),
				 errhidestmt(true), errhidecontext(true)));
	if (problem == NULL && program.exit_code != 0)
		problem = psprintf("it failed with exit code %d", program.exit_code);
	return problem ? psprintf("toms.keyring_sync_command for \"%s\": %s", name, problem) : NULL;
}
