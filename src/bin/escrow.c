/*
 * escrow.c - gives keys of a keyring in escrow, and takes them back when the keyring is lost.
 *
 * Run by the administrator beside the keyring ("escrow", "verify"), and by K of the N
 * recipients together when it is lost ("restore").  It needs no server.
 *
 * An escrowed key opens every old backup that was sealed under it, also what was erased by
 * destroying the key: escrow current epochs only, and destroy the former escrow.
 */
#include "escrow.h"

#include <errno.h>
#include <unistd.h>


/* ---- what is reported ---- */

/* The line and the list that a status file holds; "scope" is what was compared. */
static char *
report(const Escrow *escrow, const char *verb, const char *scope)
{
	size_t		size = 512 + escrow->keys.count * (NAME_SIZE + FINGERPRINT_SIZE + sizeof("key  \n"));
	char	   *text = allocate(size);
	char		date[DATE_SIZE];
	char	   *end;

	print_date(date);
	end = text + snprintf(text, size, "%s %s scope=%s made=%s keys=%d threshold=%d/%d digest=%s\n",
						  verb, date, scope, escrow->made, escrow->keys.count,
						  escrow->threshold, escrow->count, escrow->digest);
	for (int i = 0; i < escrow->keys.count; i++)
		end += sprintf(end, "key %s %s\n", escrow->keys.keys[i].name, escrow->keys.keys[i].fingerprint);
	return text;
}

/* A status file takes the place of another one, or of nothing. */
static void
check_status(const Given *status)
{
	static const char *const starts[] = {"escrowed ", "verified ", NULL};

	if (status->count > 0 && !may_replace(status->values[0], starts))
		fail(status->values[0], "exists and is not a status file: give --status a new file");
}

static void
print_report(const Escrow *escrow, const char *verb, const char *scope, const Given *status)
{
	char	   *text = report(escrow, verb, scope);
	int			folder;

	check_status(status);
	if (status->count > 0)
	{
		folder = open_folder(status->values[0]);
		replace_file(status->values[0], text, 0644);
		sync_folder(folder, status->values[0]);
	}
	text[strlen(text) - 1] = '\0';
	print_line(text);
	free(text);
}

static void
print_finding(const char *finding, const char *name)
{
	char		line[NAME_SIZE + 32];

	snprintf(line, sizeof(line), "%s %s", finding, name);
	print_line(line);
}


/* ---- escrow ---- */

static void
read_recipients(Escrow *escrow, const Given *to)
{
	if (to->count > SHARES_MAX)
		usage_error("--to", "given more than 32 times");
	for (escrow->count = 0; escrow->count < to->count; escrow->count++)
	{
		Recipient  *recipient = &escrow->recipients[escrow->count];

		read_public(to->values[escrow->count], recipient->public);
		for (int i = 0; i < escrow->count; i++)
		{
			if (memcmp(escrow->recipients[i].public, recipient->public, PUBLIC_BYTES) == 0)
				fail(to->values[escrow->count], "the same key as that of %s", to->values[i]);
		}
	}
}

static int
read_threshold(const char *value, int recipients)
{
	size_t		len = strlen(value);
	int			threshold = len > 0 && len < 3 && strspn(value, "0123456789") == len ? atoi(value) : 0;

	if (threshold < 1 || threshold > recipients)
		usage_error("--threshold", "must be a number from 1 to that of recipients");
	return threshold;
}

void
command_escrow(const Given *opt)
{
	const char *out = opt[OPT_OUT].values[0];
	int			threshold = read_threshold(opt[OPT_THRESHOLD].values[0], opt[OPT_TO].count);
	static const char *const escrow_starts[] = {ESCROW_START, NULL};
	Escrow	   *escrow = allocate(sizeof(Escrow));
	int			folder;

	read_recipients(escrow, &opt[OPT_TO]);
	check_status(&opt[OPT_STATUS]);
	if (!may_replace(out, escrow_starts))
		fail(out, "exists and is not an escrow: give --out a new file");
	folder = open_folder(out);
	seal_escrow(escrow, read_keyring(opt[OPT_KEYRING].values[0], &opt[OPT_ONLY]), threshold);
	replace_file(out, escrow->text, 0600);
	sync_folder(folder, out);
	print_report(escrow, "escrowed", "keyring", &opt[OPT_STATUS]);
}


/* ---- verify ---- */

/* Prints in what the two differ and returns in how much. */
static int
compare(const KeySet *keyring, const KeySet *escrowed)
{
	int			findings = 0;

	for (int i = 0; i < keyring->count; i++)
	{
		const KeyFile *key = &keyring->keys[i];
		const KeyFile *other = find_key(escrowed, key->name);
		bool		same = other && strcmp(other->fingerprint, key->fingerprint) == 0;

		if (!same)
			print_finding(other ? "differs" : "missing", key->name);
		findings += !same;
	}
	for (int i = 0; i < escrowed->count; i++)
	{
		bool		there = find_key(keyring, escrowed->keys[i].name) != NULL;

		if (!there)
			print_finding("surplus", escrowed->keys[i].name);
		findings += !there;
	}
	return findings;
}

void
command_verify(const Given *opt)
{
	const char *file = opt[OPT_ESCROW].values[0];
	Escrow	   *escrow = read_escrow(file);
	bool		compared = opt[OPT_KEYRING].count > 0;

	check_status(&opt[OPT_STATUS]);
	if (!compared)
		check_only(&opt[OPT_ONLY], &escrow->keys, file);
	else
	{
		KeySet		keyring = read_keyring(opt[OPT_KEYRING].values[0], &opt[OPT_ONLY]);

		if (compare(&keyring, &escrow->keys) > 0)
			fail(file, "does not hold what the keyring holds: renew it, and destroy this one");
	}
	print_report(escrow, "verified", compared ? "keyring" : "form", &opt[OPT_STATUS]);
}


/* ---- restore ---- */

/* The place in the list of the recipient that has this key. */
static int
find_recipient(const Escrow *escrow, const unsigned char *public)
{
	for (int i = 0; i < escrow->count; i++)
	{
		if (memcmp(escrow->recipients[i].public, public, PUBLIC_BYTES) == 0)
			return i;
	}
	return -1;
}

/* Opens the share of the recipient whose private key is in the file. */
static void
open_share(const Escrow *escrow, const char *file, const char *key_file, Share *share)
{
	unsigned char public[PUBLIC_BYTES];
	unsigned char *secret = allocate_secret(crypto_box_SECRETKEYBYTES);
	int			which;

	read_secret(key_file, public, secret);
	which = find_recipient(escrow, public);
	if (which < 0)
		fail(key_file, "not the key of a recipient of %s", file);
	if (crypto_box_seal_open(share->bytes, escrow->recipients[which].sealed, SEALED_SHARE_BYTES,
							 public, secret) != 0)
		fail(file, "altered: the share for %s does not open", key_file);
	share->x = which + 1;
}

/* The shares of all keys that were given, each opened, so that a wrong one is told. */
static const Share *
open_shares(const Escrow *escrow, const char *file, const Given *keys)
{
	Share	   *shares = allocate_secret((keys->count + 1) * sizeof(Share));

	for (int i = 0; i < keys->count; i++)
	{
		open_share(escrow, file, keys->values[i], &shares[i]);
		for (int other = 0; other < i; other++)
		{
			if (shares[other].x == shares[i].x)
				fail(keys->values[i], "the same key as that of %s", keys->values[other]);
		}
	}
	if (keys->count < escrow->threshold)
		fail(file, "opens with %d of its %d recipients' keys, and %d given", escrow->threshold,
			 escrow->count, keys->count);
	return shares;
}

void
command_restore(const Given *opt)
{
	const char *file = opt[OPT_ESCROW].values[0];
	const char *keyring = opt[OPT_KEYRING].values[0];
	const Given *only = &opt[OPT_ONLY];
	Escrow	   *escrow = read_escrow(file);
	const KeySet *set = &escrow->keys;
	bool	   *there = allocate(set->count);
	char	   *inside = allocate(strlen(keyring) + sizeof("/."));
	int			folder;

	check_only(only, set, file);
	check_keyring(keyring);
	open_escrow(escrow, file, open_shares(escrow, file, &opt[OPT_KEY]));
	for (int i = 0; i < set->count; i++)
		there[i] = wanted(only, set->keys[i].name) && has_key(keyring, &set->keys[i]);
	print_finding("digest", escrow->digest);
	folder = open_folder(strcat(strcpy(inside, keyring), "/."));
	for (int i = 0; i < set->count; i++)
	{
		if (!wanted(only, set->keys[i].name))
			continue;
		if (!there[i])
			restore_key(keyring, &set->keys[i]);
		print_finding(there[i] ? "there" : "restored", set->keys[i].name);
	}
	sync_folder(folder, keyring);
}
