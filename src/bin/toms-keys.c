/*
 * toms-keys.c - the command line of toms-keys.
 *
 * Run by administrators, and by tests and jobs that need a token.  It needs libsodium and
 * no PostgreSQL.  Key material is never taken from the command line and never printed.
 */
#include "toms-keys.h"

#include <getopt.h>

#ifndef TOMS_VERSION
#define TOMS_VERSION "unknown"
#endif

#define BIT(option)		(1u << (option))

/* Options as BIT(): what a command needs, may have, and of these what may stand several times. */
typedef struct Command
{
	const char *name;
	unsigned	needed;
	unsigned	allowed;
	unsigned	repeated;
	void		(*run) (const Given *opt);
} Command;

static const Command commands[] = {
	{"new", BIT(OPT_JWKS) | BIT(OPT_PRIVATE), BIT(OPT_KID), 0, command_new_token_key},
	{"new", BIT(OPT_ESCROW), 0, 0, command_new_escrow_key},
	{"mint", BIT(OPT_PRIVATE) | BIT(OPT_PAYLOAD), BIT(OPT_HEADER), 0, command_mint},
	{"escrow", BIT(OPT_KEYRING) | BIT(OPT_TO) | BIT(OPT_THRESHOLD) | BIT(OPT_OUT),
	BIT(OPT_ONLY) | BIT(OPT_STATUS), BIT(OPT_TO) | BIT(OPT_ONLY), command_escrow},
	{"verify", BIT(OPT_ESCROW), BIT(OPT_KEYRING) | BIT(OPT_ONLY) | BIT(OPT_STATUS), BIT(OPT_ONLY),
	command_verify},
	{"restore", BIT(OPT_ESCROW) | BIT(OPT_KEY) | BIT(OPT_KEYRING), BIT(OPT_ONLY),
	BIT(OPT_KEY) | BIT(OPT_ONLY), command_restore},
};

static const struct option names[] = {
	[OPT_JWKS] = {"jwks", required_argument, NULL, 0},
	[OPT_PRIVATE] = {"private", required_argument, NULL, 0},
	[OPT_KID] = {"kid", required_argument, NULL, 0},
	[OPT_PAYLOAD] = {"payload", required_argument, NULL, 0},
	[OPT_HEADER] = {"header", required_argument, NULL, 0},
	[OPT_ESCROW] = {"escrow", required_argument, NULL, 0},
	[OPT_KEYRING] = {"keyring", required_argument, NULL, 0},
	[OPT_TO] = {"to", required_argument, NULL, 0},
	[OPT_THRESHOLD] = {"threshold", required_argument, NULL, 0},
	[OPT_OUT] = {"out", required_argument, NULL, 0},
	[OPT_ONLY] = {"only", required_argument, NULL, 0},
	[OPT_STATUS] = {"status", required_argument, NULL, 0},
	[OPT_KEY] = {"key", required_argument, NULL, 0},
	[OPTION_COUNT] = {NULL, 0, NULL, 0}
};

static const char *const help =
"toms-keys makes and uses the Ed25519 keys that sign tokens for toms, and keeps copies of\n"
"the server's keyring that several persons open together.\n"
"\n"
"  toms-keys new --jwks FILE --private FILE [--kid KID]\n"
"      make a key pair: the private JWK into a new file (mode 0600), the public one\n"
"      into the JWKS file, beside the keys that are there; prints the kid\n"
"  toms-keys mint --private FILE --payload JSON|- [--header JSON]\n"
"      sign the payload as it stands (-: standard input); prints the token\n"
"\n"
"  toms-keys new --escrow FILE\n"
"      make a key pair of a recipient of escrows: the private half into a new file (mode\n"
"      0600), the public one into FILE.pub; prints the public one\n"
"  toms-keys escrow --keyring DIR --to PUBLIC... --threshold K --out FILE [--only NAME...]\n"
"            [--status FILE]\n"
"      seal the keyring's keys for the recipients, any K of whom can open them\n"
"  toms-keys verify --escrow FILE [--keyring DIR [--only NAME...]] [--status FILE]\n"
"      see, without a private key, that the escrow is whole and holds the keyring's keys\n"
"  toms-keys restore --escrow FILE --key PRIVATE... --keyring DIR [--only NAME...]\n"
"      put the keys back, with the private keys of K recipients; overwrites none\n"
"\n"
"  toms-keys --version | --help\n";

/* Reads the options that follow the command; each has a value. */
static unsigned
read_options(int argc, char **argv, Given *opt)
{
	unsigned	given = 0;
	int			which = 0;
	int			found;

	for (int i = 0; i < OPTION_COUNT; i++)
		opt[i] = (Given) {0, allocate(argc * sizeof(char *))};
	opterr = 0;
	while ((found = getopt_long(argc, argv, "+", names, &which)) != -1)
	{
		if (found != 0)
			usage_error(argv[optind - 1], "unknown option, or its value is missing");
		opt[which].values[opt[which].count++] = optarg;
		given |= BIT(which);
	}
	if (optind < argc)
		usage_error(argv[optind], "an argument too many");
	return given;
}

/* The command of that name; of its forms the one that the options fit best. */
static const Command *
choose_command(const char *name, unsigned given)
{
	const Command *best = NULL;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
	{
		const Command *command = &commands[i];

		if (strcmp(command->name, name) == 0 &&
			(best == NULL ||
			 __builtin_popcount(command->needed & given) > __builtin_popcount(best->needed & given)))
			best = command;
	}
	if (best == NULL)
		usage_error(name[0] ? name : "no command", "must be one that \"toms-keys --help\" names");
	return best;
}

static void
check_options(const Command *command, const Given *opt)
{
	char		wrong[64];

	for (int i = 0; i < OPTION_COUNT; i++)
	{
		const char *problem = NULL;

		if (opt[i].count == 0 && command->needed & BIT(i))
			problem = "is missing";
		else if (opt[i].count > 0 && !((command->needed | command->allowed) & BIT(i)))
			problem = "is no option of this command";
		else if (opt[i].count > 1 && !(command->repeated & BIT(i)))
			problem = "given twice";
		snprintf(wrong, sizeof(wrong), "%s --%s", command->name, names[i].name);
		if (problem)
			usage_error(wrong, problem);
	}
}

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const Command *command;
	Given		opt[OPTION_COUNT];

	if (strcmp(name, "--help") == 0)
		return fputs(help, stdout) < 0;
	if (strcmp(name, "--version") == 0)
		return puts("toms-keys " TOMS_VERSION) < 0;
	choose_command(name, 0);	/* an unknown one is the first thing to be told */
	command = choose_command(name, read_options(argc - 1, argv + 1, opt));
	check_options(command, opt);
	set_up();
	command->run(opt);
	return 0;
}
