/*
 * json.c - JSON from untrusted files, in the small form that doc/trail-format.md has.
 *
 * Called by all that read.  Nothing recurses and nothing is copied: a value is the piece of the
 * text that it stands in.  Strings are valid UTF-8, or refused.
 */
#include "verify.h"

#define DEPTH_MAX	16
#define B64			sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* What is left of a text. */
typedef struct Cursor
{
	const char *at;
	const char *end;
} Cursor;

static void
skip_space(Cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
		c->at++;
}

static bool
skip_char(Cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static bool
skip_word(Cursor *c, const char *word)
{
	size_t		size = strlen(word);

	if ((size_t) (c->end - c->at) < size || memcmp(c->at, word, size) != 0)
		return false;
	c->at += size;
	return true;
}

static bool
is_hex(char letter)
{
	return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f') || (letter >= 'A' && letter <= 'F');
}

static bool
skip_escape(Cursor *c)
{
	if (c->at == c->end || *c->at == '\0' || !strchr("\"\\/bfnrtu", *c->at))
		return false;
	if (*c->at++ != 'u')
		return true;
	for (int i = 0; i < 4; i++)
	{
		if (c->at == c->end || !is_hex(*c->at++))
			return false;
	}
	return true;
}

/* The length of the valid UTF-8 sequence at the cursor, or 0 (RFC 3629). */
static int
sequence_length(const Cursor *c)
{
	const uint8_t *s = (const uint8_t *) c->at;
	int			length = s[0] < 0x80 ? 1 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;

	if (c->end - c->at < length)
		return 0;
	for (int i = 1; i < length; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
		return 0;
	return length;
}

static bool
skip_string(Cursor *c)
{
	if (!skip_char(c, '"'))
		return false;
	while (c->at < c->end && *c->at != '"')
	{
		int			length = sequence_length(c);

		if (length == 0 || (uint8_t) *c->at < ' ')
			return false;
		c->at += length;
		if (c->at[-1] == '\\' && length == 1 && !skip_escape(c))
			return false;
	}
	return skip_char(c, '"');
}

static bool
skip_digits(Cursor *c)
{
	const char *from = c->at;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return c->at > from;
}

static bool
skip_number(Cursor *c)
{
	(void) skip_char(c, '-');
	if (!skip_char(c, '0') && !skip_digits(c))
		return false;
	if (skip_char(c, '.') && !skip_digits(c))
		return false;
	if (skip_char(c, 'e') || skip_char(c, 'E'))
	{
		(void) (skip_char(c, '+') || skip_char(c, '-'));
		return skip_digits(c);
	}
	return true;
}

static bool
skip_scalar(Cursor *c)
{
	if (c->at < c->end && *c->at == '"')
		return skip_string(c);
	return skip_word(c, "null") || skip_word(c, "true") || skip_word(c, "false") || skip_number(c);
}

static bool
skip_name(Cursor *c)
{
	skip_space(c);
	if (!skip_string(c))
		return false;
	skip_space(c);
	return skip_char(c, ':');
}

/* Steps behind the bracket that closes the one given, if it stands there. */
static bool
skip_closing(Cursor *c, char opening)
{
	skip_space(c);
	return skip_char(c, opening == '{' ? '}' : ']');
}

static bool
skip_value(Cursor *c)
{
	char		open[DEPTH_MAX];
	int			depth = 0;

	for (;;)
	{
		skip_space(c);
		if (c->at < c->end && (*c->at == '{' || *c->at == '['))
		{
			if (depth == DEPTH_MAX)
				return false;
			open[depth++] = *c->at++;
			if (!skip_closing(c, open[depth - 1]))
			{
				if (open[depth - 1] == '{' && !skip_name(c))
					return false;
				continue;
			}
			depth--;
		}
		else if (!skip_scalar(c))
			return false;
		while (depth > 0 && skip_closing(c, open[depth - 1]))
			depth--;
		if (depth == 0)
			return true;
		if (!skip_char(c, ',') || (open[depth - 1] == '{' && !skip_name(c)))
			return false;
	}
}

static bool
take_value(Cursor *c, Text *value)
{
	skip_space(c);
	value->at = c->at;
	if (!skip_value(c))
		return false;
	value->size = c->at - value->at;
	return true;
}

/* Finds the member of that name, given with its quotes; NULL: none is looked for. */
static Member *
find_member(Text name, Member *members, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (json_is(name, members[i].name))
			return &members[i];
	}
	return NULL;
}

static const char *
take_member(Cursor *c, Member *members, int count, bool others)
{
	Text		name;
	Text		value;
	Member	   *member;

	skip_space(c);
	name.at = c->at;
	if (!skip_string(c))
		return "not JSON of the form expected";
	name.size = c->at - name.at;
	skip_space(c);
	if (!skip_char(c, ':') || !take_value(c, &value))
		return "not JSON of the form expected";
	member = find_member(name, members, count);
	if (!member)
		return others ? NULL : "a member that does not belong there";
	if (member->value.at)
		return "a member that stands twice";
	member->value = value;
	return NULL;
}

const char *
json_members(Text text, Member *members, int count, bool others)
{
	Cursor		c = {text.at, text.at + text.size};
	const char *problem = NULL;

	for (int i = 0; i < count; i++)
		members[i].value = (Text) {NULL, 0};
	skip_space(&c);
	if (!skip_char(&c, '{'))
		return "not a JSON object";
	if (!skip_closing(&c, '{'))
	{
		do
			problem = take_member(&c, members, count, others);
		while (!problem && (skip_space(&c), skip_char(&c, ',')));
		if (!problem && !skip_closing(&c, '{'))
			problem = "not JSON of the form expected";
	}
	skip_space(&c);
	if (!problem && c.at < c.end)
		problem = "something behind the JSON object";
	for (int i = 0; !problem && i < count; i++)
	{
		if (members[i].needed && !members[i].value.at)
			problem = "a member is missing";
	}
	return problem;
}

bool
json_element(Text array, size_t *offset, Text *value)
{
	Cursor		c = {array.at + *offset, array.at + array.size};

	skip_space(&c);
	if (!skip_char(&c, *offset == 0 ? '[' : ',') || !take_value(&c, value))
		return false;
	*offset = c.at - array.at;
	return true;
}

bool
json_is_null(Text value)
{
	return value.size == 4 && memcmp(value.at, "null", 4) == 0;
}

bool
json_number(Text value, uint64_t *number)
{
	*number = 0;
	if (!value.at || value.size == 0 || value.size > 19 || (value.at[0] == '0' && value.size > 1))
		return false;
	for (size_t i = 0; i < value.size; i++)
	{
		if (value.at[i] < '0' || value.at[i] > '9')
			return false;
		*number = *number * 10 + (value.at[i] - '0');
	}
	return *number <= INT64_MAX;
}

bool
json_string(Text value, Text *inner)
{
	if (!value.at || value.size < 2 || value.at[0] != '"')
		return false;
	*inner = (Text) {value.at + 1, value.size - 2};
	return true;
}

bool
json_is(Text value, const char *string)
{
	Text		inner;

	return json_string(value, &inner) && inner.size == strlen(string) && memcmp(inner.at, string, inner.size) == 0;
}

bool
json_bytes(Text value, void *into, size_t size)
{
	Text		inner;
	size_t		length;

	return json_string(value, &inner) && sodium_base642bin(into, size, inner.at, inner.size, NULL, &length, NULL, B64) == 0 && length == size;
}

bool
json_blob(Text value, Bytes *bytes)
{
	Text		inner;
	uint8_t    *into;

	if (!json_string(value, &inner))
		return false;
	into = scratch(inner.size + 1);
	bytes->at = into;
	return sodium_base642bin(into, inner.size, inner.at, inner.size, NULL, &bytes->size, NULL, B64) == 0;
}

bool
json_uuid(Text value, uint8_t into[16])
{
	Text		inner;
	size_t		length;

	if (!json_string(value, &inner) || inner.size != 36)
		return false;
	for (size_t i = 0; i < inner.size; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? inner.at[i] != '-' : !is_hex(inner.at[i]) || (inner.at[i] >= 'A' && inner.at[i] <= 'F'))
			return false;
	}
	return sodium_hex2bin(into, 16, inner.at, inner.size, "-", &length, NULL) == 0 && length == 16;
}

bool
json_time(Text value, char into[32])
{
	static const char form[] = "0000-00-00T00:00:00.000000Z";
	Text		inner;

	if (!json_string(value, &inner) || inner.size != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < inner.size; i++)
	{
		if (form[i] == '0' ? inner.at[i] < '0' || inner.at[i] > '9' : inner.at[i] != form[i])
			return false;
	}
	memcpy(into, inner.at, inner.size);
	into[inner.size] = '\0';
	return true;
}
