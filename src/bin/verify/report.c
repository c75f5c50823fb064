/*
 * report.c - what toms-verify tells, and the memory that it does so from.
 *
 * Called by all parts.  Whatever stands in a file is printed so that a terminal shows it and
 * does nothing else.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdarg.h>

#define DAY INT64_C(86400000000)

typedef struct Piece
{
	struct Piece *next;
	_Alignas(16) char memory[];
} Piece;

static Piece *pieces = NULL;
static const char *place_file = "";
static uint64_t place_line = 0;
static uint64_t fault_count = 0;

/* A range of blocks that are to be named with one fault. */
static const char *range_what = NULL;
static uint64_t range_from;
static uint64_t range_to;

void
set_place(const char *file, uint64_t line)
{
	place_file = file;
	place_line = line;
}

static void __attribute__((format(printf, 1, 0)))
print_fault(const char *format, va_list args)
{
	if (place_line > 0)
		printf("fault: %s:%" PRIu64 ": ", place_file, place_line);
	else
		printf("fault: %s: ", place_file);
	vprintf(format, args);
	putchar('\n');
	fault_count++;
}

void
fault(const char *format,...)
{
	va_list		args;

	end_range();
	va_start(args, format);
	print_fault(format, args);
	va_end(args);
}

void
say(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

uint64_t
faults(void)
{
	return fault_count;
}

void
fault_of_block(const char *what, uint64_t block)
{
	if (range_what == what && block == range_to + 1)
	{
		range_to = block;
		return;
	}
	end_range();
	range_what = what;
	range_from = range_to = block;
}

void
end_range(void)
{
	const char *what = range_what;
	uint64_t	line = place_line;

	range_what = NULL;
	place_line = 0;
	if (what && range_from == range_to)
		fault("%s: block %" PRIu64, what, range_from);
	else if (what)
		fault("%s: blocks %" PRIu64 " to %" PRIu64, what, range_from, range_to);
	place_line = line;
}

void
fail(const char *file, const char *reason,...)
{
	va_list		args;

	fflush(stdout);
	fprintf(stderr, "toms-verify: %s: ", file);
	va_start(args, reason);
	vfprintf(stderr, reason, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

void *
scratch(size_t size)
{
	Piece	   *piece = malloc(sizeof(Piece) + size);

	if (!piece)
		fail("memory", "out of it");
	piece->next = pieces;
	pieces = piece;
	return piece->memory;
}

void
release_scratch(void)
{
	while (pieces)
	{
		Piece	   *piece = pieces;

		pieces = piece->next;
		free(piece);
	}
}

void *
grow(void *array, size_t count, size_t item)
{
	if (count == 0 || (count >= 16 && (count & (count - 1)) == 0))
		array = realloc(array, (count < 16 ? 16 : 2 * count) * item);
	if (!array)
		fail("memory", "out of it");
	return array;
}

/* True of code points that steer a terminal, or turn the direction of what follows. */
static bool
is_control(const uint8_t *s, size_t left)
{
	if (left >= 2 && s[0] == 0xC2 && s[1] < 0xA0)
		return true;
	if (left >= 3 && s[0] == 0xE2 && s[1] == 0x80 && ((s[2] >= 0x8B && s[2] <= 0x8F) || (s[2] >= 0xA8 && s[2] <= 0xAE)))
		return true;
	return left >= 3 && s[0] == 0xE2 && s[1] == 0x81 && s[2] >= 0xA0 && s[2] <= 0xAF;
}

/* The length of a sequence of UTF-8, 0 if it is none: enough of a check for a terminal. */
static size_t
sequence(const uint8_t *s, size_t left)
{
	size_t		length = s[0] < 0x80 ? 1 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;

	if (length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	}
	return length;
}

const char *
shown(Text text)
{
	const uint8_t *s = (const uint8_t *) text.at;
	char	   *into = scratch(4 * text.size + 1);
	char	   *end = into;

	for (size_t i = 0; i < text.size;)
	{
		size_t		length = sequence(s + i, text.size - i);

		if (length == 0 || s[i] < ' ' || s[i] == 0x7F || is_control(s + i, text.size - i))
			end += sprintf(end, "\\x%02x", s[i++]);
		else
		{
			memcpy(end, s + i, length);
			end += length;
			i += length;
		}
	}
	*end = '\0';
	return into;
}

static unsigned
hex_value(const char *digits)
{
	char		number[5] = "";

	memcpy(number, digits, 4);
	return (unsigned) strtoul(number, NULL, 16);
}

static char *
put_utf8(char *into, unsigned point)
{
	if (point < 0x80)
		*into++ = (char) point;
	else if (point < 0x800)
	{
		*into++ = (char) (0xC0 | point >> 6);
		*into++ = (char) (0x80 | (point & 0x3F));
	}
	else if (point < 0x10000)
	{
		*into++ = (char) (0xE0 | point >> 12);
		*into++ = (char) (0x80 | (point >> 6 & 0x3F));
		*into++ = (char) (0x80 | (point & 0x3F));
	}
	else
	{
		*into++ = (char) (0xF0 | point >> 18);
		*into++ = (char) (0x80 | (point >> 12 & 0x3F));
		*into++ = (char) (0x80 | (point >> 6 & 0x3F));
		*into++ = (char) (0x80 | (point & 0x3F));
	}
	return into;
}

/* Resolves the escape at *at, behind its backslash; json.c has checked its form. */
static char *
put_escape(char *into, const char **at, const char *end)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char means[] = "\"\\/\b\f\n\r\t";
	unsigned	point;

	if (**at != 'u')
	{
		*into = means[strchr(letters, **at) - letters];
		++*at;
		return into + 1;
	}
	point = hex_value(*at + 1);
	*at += 5;
	if (point >= 0xD800 && point < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u')
	{
		unsigned	low = hex_value(*at + 2);

		if (low >= 0xDC00 && low < 0xE000)
		{
			*at += 6;
			point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
		}
	}
	return put_utf8(into, point);
}

const char *
shown_string(Text inner)
{
	char	   *plain = scratch(inner.size + 1);
	char	   *into = plain;
	const char *end = inner.at + inner.size;

	for (const char *at = inner.at; at < end;)
	{
		if (*at != '\\')
			*into++ = *at++;
		else
		{
			at++;
			into = put_escape(into, &at, end);
		}
	}
	return shown((Text) {plain, into - plain});
}

const char *
shown_bytes(const void *bytes, size_t size)
{
	size_t		length = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);

	return sodium_bin2base64(scratch(length), length, bytes, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

const char *
shown_uuid(const uint8_t uuid[16])
{
	char	   *into = scratch(37);
	char	   *end = into;

	for (int i = 0; i < 16; i++)
		end += sprintf(end, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
	return into;
}

/* Days since 2000-03-01 as a date of the Gregorian calendar; years begin in March until the last step. */
static void
print_date(int64_t days, char *into, size_t size)
{
	int64_t		era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t		day = days - era * 146097;
	int64_t		year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t		month;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	year += 2000 + era * 400 + (month >= 10);
	snprintf(into, size, "%04d-%02d-%02d", (int) year, (int) (month >= 10 ? month - 9 : month + 3), (int) day + 1);
}

void
print_time(int64_t at, char time[TIME_SIZE])
{
	int64_t		days = at / DAY - (at % DAY < 0);
	int64_t		rest = at - days * DAY;
	size_t		length;

	if (at == INT64_MAX || at == INT64_MIN || days < -730485 || days > 2921939)
	{
		strcpy(time, at > 0 ? "infinity" : "-infinity");
		return;
	}
	print_date(days - 60, time, TIME_SIZE);
	length = strlen(time);
	snprintf(time + length, TIME_SIZE - length, "T%02d:%02d:%02d.%06dZ", (int) (rest / 3600000000), (int) (rest / 60000000 % 60),
			 (int) (rest / 1000000 % 60), (int) (rest % 1000000));
}
