/*
 * sync.c - toms.keyring_sync_command: a new key is elsewhere too before it is used.
 *
 * Called by keyring.c between making a key and using it.  The command is the shell's, like
 * archive_command: whoever writes the server's configuration wrote it.  It has no timeout,
 * but the statement that waits for it can be cancelled.
 *
 * An epoch's key is used once its row is there, which is after the command.  A key that is
 * used by its name has no row: an empty file of the data directory says, from before it is
 * made, that the key has yet to be durable and the command to succeed.  Two sessions may find
 * it and do both at the same time, for the same key.  A backup brings it along: a standby
 * leaves it to its primary.  pg_upgrade would not: it is not begun while there is one.
 */
#include "keyring/keyring_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/flush.h"
#include "keyring/program.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/guc.h"

#define MARK "toms_unsynced_"

static char *command = NULL;

static bool
is_set(void)
{
	return command != NULL && command[0] != '\0';
}

/* By the postmaster that pg_upgrade starts on the old data: the new server would take each key for one that is elsewhere. */
static void
refuse_upgrade_with_marks(void)
{
	DIR		   *dir = AllocateDir(".");
	struct dirent *file;

	while ((file = ReadDir(dir, ".")) != NULL)
	{
		if (strncmp(file->d_name, MARK, strlen(MARK)) == 0)
			ereport(FATAL,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("key \"%s\" is not known to be durable, and where toms.keyring_sync_command brings it", file->d_name + strlen(MARK)),
					 errdetail("pg_upgrade would leave behind \"%s/%s\", which says so.", DataDir, file->d_name),
					 errhint("Do by hand what the command does, if it is set, and remove that file.")));
	}
	FreeDir(dir);
}

void
toms_keyring_sync_init(void)
{
	DefineCustomStringVariable("toms.keyring_sync_command",
							   "Shell command that brings a new key to where it is needed too.",
							   "%p is the key's file, %f its name. A key is not used unless it succeeds.",
							   &command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	if (IsBinaryUpgrade)
		refuse_upgrade_with_marks();
}

/* In the data directory, which is the server's working directory. */
static char *
mark_of(const char *name)
{
	return psprintf(MARK "%s", name);
}

char *
toms_keyring_mark_unsynced(const char *name)
{
	char	   *mark = mark_of(name);
	int			fd = OpenTransientFile(mark, O_WRONLY | O_CREAT | PG_BINARY);

	if (fd < 0 || CloseTransientFile(fd) != 0 ||
		toms_flush_file(mark) != 0 || toms_flush_directory(".") != 0)
		return psprintf("\"%s/%s\": %s", DataDir, mark, strerror(errno));
	return NULL;
}

bool
toms_keyring_is_marked_unsynced(const char *name)
{
	return access(mark_of(name), F_OK) == 0;
}

void
toms_keyring_mark_synced(const char *name)
{
	if (unlink(mark_of(name)) < 0 && errno != ENOENT)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\", so that toms.keyring_sync_command, if it is set, will run again: %m", mark_of(name))));
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

	if (!is_set())
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
