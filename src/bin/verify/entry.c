/*
 * entry.c - the canonical bytes of an entry, read and told.
 *
 * Called for proofs and archives.  Written from doc/trail-format.md, not from the extension's source.
 */
#include "verify.h"

#include <inttypes.h>

#define FIXED_BYTES (3 + 6 * 8)

static uint64_t
take_number(Bytes *left, int bytes)
{
	uint64_t	number = 0;

	left->size -= bytes;
	while (bytes-- > 0)
		number = number << 8 | *left->at++;
	return number;
}

/* A field of a length in so many bytes; at is NULL if it says that there is none. */
static bool
take_field(Bytes *left, int prefix, Bytes *field)
{
	uint64_t	length;

	*field = (Bytes) {NULL, 0};
	if (left->size < (size_t) prefix)
		return false;
	length = take_number(left, prefix);
	if (length == (UINT64_C(1) << (8 * prefix)) - 1)
		return true;
	if (length > left->size)
		return false;
	*field = (Bytes) {left->at, length};
	left->at += length;
	left->size -= length;
	return true;
}

const char *
read_entry(Bytes bytes, Entry *entry)
{
	Bytes		tenant;

	if (bytes.size < FIXED_BYTES)
		return "an entry that is cut off";
	if (take_number(&bytes, 1) != 1)
		return "an entry of another version";
	entry->kind = (char) take_number(&bytes, 1);
	entry->verb = (char) take_number(&bytes, 1);
	entry->id = (int64_t) take_number(&bytes, 8);
	entry->at = (int64_t) take_number(&bytes, 8);
	entry->xid = (int64_t) take_number(&bytes, 8);
	entry->who = (int64_t) take_number(&bytes, 8);
	entry->object = (int64_t) take_number(&bytes, 8);
	entry->key = (int64_t) take_number(&bytes, 8);
	if (!take_field(&bytes, 2, &tenant) || !take_field(&bytes, 2, &entry->columns) || !take_field(&bytes, 4, &entry->payload))
		return "an entry that is cut off";
	entry->tenant = (Text) {(const char *) tenant.at, tenant.size};
	return bytes.size == 0 ? NULL : "an entry with something behind it";
}

typedef struct Word
{
	char		letter;
	const char *word;
} Word;

static const Word kinds[] = {
	{'w', "who acted"}, {'o', "object"}, {'c', "change"}, {'r', "read"}, {'x', "refusal"}, {'s', "session"}, {'a', "administration"},
	{'d', "deletion"}
};

static const Word verbs[] = {
	{'-', "-"}, {'i', "insert"}, {'u', "update"}, {'d', "delete"}, {'t', "truncate"}, {'p', "pseudonymise"},
	{'s', "read"}, {'v', "reveal"}, {'e', "export"}, {'m', "import"}, {'a', "read trail"}, {'n', "rows of another entry"},
	{'r', "refuse"}, {'w', "would refuse"},
	{'l', "login"}, {'f', "failed login"}, {'k', "locked login"}, {'U', "unlock login"}, {'g', "logout"}, {'y', "lost events"},
	{'A', "admin access"}, {'D', "ddl"}, {'S', "setting"}, {'C', "declaration"}, {'O', "open admin session"}, {'Z', "close admin session"},
	{'P', "approve admin session"}, {'B', "break glass"}, {'R', "release actor"}, {'W', "writer started"}, {'X', "writer stopped"}
};

static const char *
word_of(const Word *words, size_t count, char letter)
{
	for (size_t i = 0; i < count; i++)
	{
		if (words[i].letter == letter)
			return words[i].word;
	}
	return "unknown";
}

/* The payload where it is JSON in clear. */
static bool
plain_payload(const Entry *entry, Member *members, int count)
{
	return entry && entry->key == 0 && entry->payload.at &&
		json_members((Text) {(const char *) entry->payload.at, entry->payload.size}, members, count, true) == NULL;
}

/* A value of JSON for a reader: a string without its quotes, anything else as it stands. */
static const char *
shown_value(Text value)
{
	Text		inner;

	return json_string(value, &inner) ? shown_string(inner) : shown(value);
}

static bool
has_column(const Entry *entry, size_t number)
{
	return number / 8 < entry->columns.size && (entry->columns.at[number / 8] >> number % 8 & 1);
}

/* The changed columns, by the names that the object gives to their numbers. */
static void
print_columns(const Entry *entry, Text names)
{
	size_t		offset = 0;
	bool		first = true;

	printf("columns: ");
	for (size_t number = 0; number < 8 * entry->columns.size; number++)
	{
		Text		name = {NULL, 0};
		bool		named = names.at && names.size > 0 && names.at[0] == '[' && json_element(names, &offset, &name);

		if (!named)
			names.at = NULL;
		if (!has_column(entry, number))
			continue;
		if (named && !json_is_null(name))
			printf("%s%s", first ? "" : ", ", shown_value(name));
		else
			printf("%s#%zu", first ? "" : ", ", number + 1);
		first = false;
	}
	puts(first ? "none" : "");
}

static void
print_object(const Entry *entry, const Entry *object)
{
	Member		members[] = {NEEDED("relation"), OPTIONAL("columns"), OPTIONAL("partition")};
	bool		plain = plain_payload(object, members, lengthof(members));

	if (entry->object == 0)
		return;
	if (plain)
		say("table: %s (OID %" PRId64 ")", shown_value(members[0].value), object->object);
	else
		say("table: not told (object %" PRId64 ")", entry->object);
	if (plain && members[2].value.at)
		say("partition: %s", shown_value(members[2].value));
	if (entry->columns.at && entry != object)
		print_columns(entry, plain ? members[1].value : (Text) {NULL, 0});
}

static void
print_who(const Entry *entry, const Entry *who)
{
	static const char *const names[] = {"actor", "role", "purpose", "function", "reason", "login", "user", "address", "application", "process"};
	Member		members[lengthof(names)];

	if (entry->who == 0 && entry != who)
		return;
	for (int i = 0; i < lengthof(names); i++)
		members[i] = (Member) OPTIONAL(names[i]);
	if (who && who->key != 0)
		say("who: sealed (data key %" PRId64 ", entry %" PRId64 ")", who->key, who->id);
	else if (!plain_payload(who, members, lengthof(members)))
		say("who: not told (entry %" PRId64 ")", who ? who->id : entry->who);
	else
	{
		for (int i = 0; i < lengthof(members); i++)
		{
			if (members[i].value.at && !json_is_null(members[i].value))
				say("who, %s: %s", members[i].name, shown_value(members[i].value));
		}
	}
}

void
print_entry(const Entry *entry, const Entry *who, const Entry *object)
{
	char		time[TIME_SIZE];

	print_time(entry->at, time);
	say("entry: %" PRId64, entry->id);
	say("kind: %s", word_of(kinds, lengthof(kinds), entry->kind));
	if (entry->verb != '-')
		say("verb: %s", word_of(verbs, lengthof(verbs), entry->verb));
	say("when: %s", time);
	say("transaction: %" PRId64, entry->xid);
	say("tenant: %s", entry->tenant.at ? shown(entry->tenant) : "none");
	print_object(entry, entry->kind == 'o' ? entry : object);
	print_who(entry, entry->kind == 'w' ? entry : who);
	if (entry->kind != 'w' && entry->kind != 'o' && entry->payload.at && entry->key != 0)
		say("payload: %zu bytes, sealed (data key %" PRId64 ")", entry->payload.size, entry->key);
	else if (entry->kind != 'w' && entry->kind != 'o' && entry->payload.at)
		say("payload: %s", shown((Text) {(const char *) entry->payload.at, entry->payload.size}));
}
