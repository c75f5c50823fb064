/*
 * toms-verify.c - the command line of toms-verify, and its files.
 *
 * Run by controllers and auditors on a machine of their own, with what the database's operator
 * gave them.  It needs libsodium and no PostgreSQL, and reaches no network.
 */
#include "verify.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>

#ifndef TOMS_VERSION
#define TOMS_VERSION "unknown"
#endif

#define LINE_MAX_BYTES	((size_t) 256 * 1024 * 1024)	/* so of a proof */
#define KEY_FILE_MAX	((size_t) 64 * 1024)

static const char *const help =
"toms-verify checks what the audit trail of toms gives out, without the database.\n"
"\n"
"  toms-verify proof FILE     a proof of an entry, as toms.audit_proof() returns it\n"
"  toms-verify log FILE       the log outside of the database\n"
"  toms-verify chain FILE     the chain of blocks, as toms.export_blocks() returns it\n"
"  toms-verify archive FILE|DIRECTORY...\n"
"                             archives, as toms.archive_audit() writes them\n"
"  toms-verify certificate FILE\n"
"                             a certificate of an erasure, as toms.certificate() returns it\n"
"  toms-verify report FILE    a report of measures, as toms.report() returns it: json, html, markdown\n"
"\n"
"  --key KEY                  the public key that signs, as toms.audit_key() returns it; may\n"
"                             be given several times; without it, the keys found are named\n"
"  --key-file FILE            the same from a file: keys, a JWK or a JWK set\n"
"  --log FILE                 compare blocks with this outside log (not for \"log\")\n"
"\n"
"FILE may be -, standard input.\n"
"Exit status: 0 all is whole, 1 faults were found and named, 2 something could not be read.\n"
"\n"
"  toms-verify --version | --help\n";

static void
usage_error(const char *what, const char *reason)
{
	fprintf(stderr, "toms-verify: %s: %s\ntry \"toms-verify --help\"\n", what, reason);
	exit(2);
}

static FILE *
open_file(const char *file)
{
	FILE	   *stream = strcmp(file, "-") == 0 ? stdin : fopen(file, "rb");

	if (!stream)
		fail(file, "could not open: %s", strerror(errno));
	return stream;
}

static void
close_file(FILE *stream, const char *file)
{
	if (ferror(stream))
		fail(file, "could not read: %s", strerror(errno));
	if (stream != stdin)
		fclose(stream);
}

/* Reads to the end, or to a line feed if "line"; size: what *buffer can hold. Returns the length. */
static size_t
read_piece(FILE *stream, const char *file, char **buffer, size_t *size, bool line, size_t most)
{
	size_t		length = 0;
	int			letter;

	while ((letter = getc_unlocked(stream)) != EOF)
	{
		if (length == *size)
		{
			size_t		larger = *size < 4096 ? 4096 : 2 * *size;
			char	   *moved = realloc(*buffer, larger);

			if (!moved)
				fail("memory", "out of it");
			*buffer = moved;
			*size = larger;
		}
		(*buffer)[length++] = (char) letter;
		if (line && letter == '\n')
			break;
		if (length > most)
			fail(file, "%s of more than %zu bytes", line ? "a line" : "a file", most);
	}
	return length;
}

static void
read_lines(const char *file, void (*check) (Text line))
{
	FILE	   *stream = open_file(file);
	char	   *buffer = NULL;
	size_t		size = 0;
	size_t		length;
	uint64_t	line = 0;

	while ((length = read_piece(stream, file, &buffer, &size, true, LINE_MAX_BYTES)) > 0)
	{
		set_place(file, ++line);
		if (buffer[length - 1] == '\n')
			length--;
		else
			fault("the last line is cut off");
		check((Text) {buffer, length});
		release_scratch();
	}
	close_file(stream, file);
	free(buffer);
	set_place(file, 0);
}

static char *
read_whole(const char *file, size_t *length, size_t most)
{
	FILE	   *stream = open_file(file);
	char	   *buffer = NULL;
	size_t		size = 0;

	*length = read_piece(stream, file, &buffer, &size, false, most);
	close_file(stream, file);
	return buffer ? buffer : strdup("");
}

/* The key in a JWK (RFC 8037), or as text in quotes. */
static bool
take_key(Text value)
{
	Member		members[] = {NEEDED("kty"), NEEDED("crv"), NEEDED("x")};
	uint8_t		key[KEY_BYTES];
	bool		jwk = value.at[0] == '{';

	if (jwk && (json_members(value, members, lengthof(members), true) != NULL || !json_is(members[0].value, "OKP") ||
				!json_is(members[1].value, "Ed25519")))
		return false;
	if (!json_bytes(jwk ? members[2].value : value, key, KEY_BYTES))
		return false;
	trust_key(key);
	return true;
}

static bool
take_plain_key(const char *text, size_t size)
{
	char		quoted[64];

	if (size > sizeof(quoted) - 2)
		return false;
	return take_key((Text) {quoted, (size_t) snprintf(quoted, sizeof(quoted), "\"%.*s\"", (int) size, text)});
}

static bool
take_key_set(Text text)
{
	Member		keys = NEEDED("keys");
	size_t		offset = 0;
	bool		taken = false;
	Text		value;

	if (json_members(text, &keys, 1, true) != NULL)
		return take_key(text);
	while (keys.value.at[0] == '[' && json_element(keys.value, &offset, &value))
		taken = (value.at[0] == '{' && take_key(value)) || taken;
	return taken;
}

static void
read_key_file(const char *file)
{
	size_t		length;
	char	   *text = read_whole(file, &length, KEY_FILE_MAX);
	bool		taken = false;
	size_t		end = 0;

	if (length > 0 && text[0] == '{')
		taken = take_key_set((Text) {text, length});
	for (size_t at = 0; at < length && text[0] != '{'; at = end + 1)
	{
		for (end = at; end < length && text[end] != '\n';)
			end++;
		if (end > at && text[at] != '#' && !take_plain_key(text + at, end - at))
			fail(file, "not a public key");
		taken = taken || (end > at && text[at] != '#');
	}
	if (!taken)
		fail(file, "holds no Ed25519 public key");
	free(text);
}

static void
check_log(const char *file)
{
	log_start();
	read_lines(file, log_line);
	log_end();
}

static void
check_whole(const char *file, void (*check) (Text text))
{
	size_t		length;
	char	   *text = read_whole(file, &length, LINE_MAX_BYTES);

	set_place(file, 0);
	check((Text) {text, length});
	free(text);
}

static void
check_archive(const char *file)
{
	archive_start();
	read_lines(file, archive_line);
	archive_end();
}

static int
is_archive_name(const struct dirent *found)
{
	size_t		length = strlen(found->d_name);

	return length > 6 && strcmp(found->d_name + length - 6, ".jsonl") == 0;
}

static void
check_archives(const char *path)
{
	struct dirent **names;
	int			count = strcmp(path, "-") == 0 ? -1 : scandir(path, &names, is_archive_name, alphasort);

	if (count < 0)
	{
		check_archive(path);
		return;
	}
	if (count == 0)
		fail(path, "holds no file *.jsonl");
	for (int i = 0; i < count; i++)
	{
		size_t		size = strlen(path) + strlen(names[i]->d_name) + 2;
		char	   *file = malloc(size);

		if (!file)
			fail("memory", "out of it");
		snprintf(file, size, "%s/%s", path, names[i]->d_name);
		check_archive(file);
		set_place(path, 0);
		free(file);
		free(names[i]);
	}
	free(names);
}

static void
run(const char *command, char **files, int count)
{
	if (strcmp(command, "archive") != 0 && count > 1)
		usage_error(files[1], "an argument too many");
	if (strcmp(command, "proof") == 0)
		check_whole(files[0], check_proof);
	else if (strcmp(command, "certificate") == 0)
		check_whole(files[0], check_certificate);
	else if (strcmp(command, "report") == 0)
		check_whole(files[0], check_report);
	else if (strcmp(command, "log") == 0)
		check_log(files[0]);
	else if (strcmp(command, "chain") == 0)
	{
		chain_start();
		read_lines(files[0], chain_line);
		chain_end();
	}
	else
	{
		for (int i = 0; i < count; i++)
			check_archives(files[i]);
		archives_end();
	}
}

/* Reads the options, gives the keys to trust_key(), and returns the outside log. */
static const char *
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"key", required_argument, NULL, 'k'}, {"key-file", required_argument, NULL, 'f'}, {"log", required_argument, NULL, 'l'}, {NULL, 0, NULL, 0}
	};
	const char *log = NULL;
	int			found;

	opterr = 0;
	while ((found = getopt_long(argc, argv, "", names, NULL)) != -1)
	{
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the option is one with an argument */
		if (found == 'k' && !take_plain_key(optarg, strlen(optarg)))
			usage_error("--key", "not a public key in base64url");
		else if (found == 'f')
			read_key_file(optarg);
		else if (found == 'l' && log)
			usage_error("--log", "given twice");
		else if (found == 'l')
			log = optarg;
		else if (found == '?')
			usage_error(argv[optind - 1], "unknown option, or its value is missing");
	}
	return log;
}

static bool
is_command(const char *word)
{
	static const char *const commands[] = {"proof", "log", "chain", "archive", "certificate", "report"};

	for (int i = 0; i < lengthof(commands); i++)
	{
		if (strcmp(word, commands[i]) == 0)
			return true;
	}
	return false;
}

int
main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	const char *log;

	if (strcmp(command, "--help") == 0)
		return fputs(help, stdout) < 0 ? 2 : 0;
	if (strcmp(command, "--version") == 0)
		return puts("toms-verify " TOMS_VERSION) < 0 ? 2 : 0;
	if (!is_command(command))
		usage_error(command[0] ? command : "no command", "must be one that \"toms-verify --help\" names");
	if (sodium_init() < 0)
		fail("libsodium", "could not be set up");
	log = read_options(argc - 1, argv + 1);
	if (optind == argc - 1)
		usage_error(command, "no file is named");
	if (log && strcmp(command, "log") == 0)
		usage_error("--log", "is no option of this command");
	if (log)
		check_log(log);
	run(command, argv + 1 + optind, argc - 1 - optind);
	print_keys();
	if (faults() == 0)
		say("whole");
	else
		say("%" PRIu64 " fault%s", faults(), faults() == 1 ? "" : "s");
	if (fflush(stdout) != 0 || ferror(stdout))
		fail("standard output", "could not write: %s", strerror(errno));
	return faults() > 0;
}
