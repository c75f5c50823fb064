/*
 * plain.c - plain values of the sealed types, to bytes and back.
 *
 * Called by type.c, row.c and reveal.c.  What a value is must not show in its length: texts and
 * bytea are padded to a power of two, from 4096 bytes on to a multiple of that.  No error
 * here quotes the value, nor lets the statement that holds it be logged.
 */
#include "seal/seal_int.h"

#include "base/compat.h"
#include "base/secret.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"

#define LEAST_PADDED 32
#define GREAT_PADDED 4096
#define MAX_TEXT (16 * 1024 * 1024)

/* The context's callbacks come to their turn when the error is complete. */
int
toms_hide_value(void)
{
	error_context_stack = NULL;
	return errhidestmt(true);
}

static void refuse_value(const char *type, const char *expected) __attribute__((noreturn));
static void
refuse_value(const char *type, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid plain value for type %s", type),
			 errdetail("%s", expected),
			 toms_hide_value()));
}

static TomsPlain
room(int length)
{
	return (TomsPlain) {.bytes = palloc0(length),.length = length};
}

void
toms_plain_wipe(TomsPlain *plain)
{
	toms_secret_wipe(plain->bytes, plain->length);
	pfree(plain->bytes);
}

TomsPlain
toms_plain_from_flag(bool flag)
{
	TomsPlain	plain = room(TOMS_FLAG_BYTES);

	plain.bytes[0] = flag;
	return plain;
}

TomsPlain
toms_plain_from_date(int32 date)
{
	TomsPlain	plain = room(TOMS_DATE_BYTES);
	uint32		bytes = pg_hton32((uint32) date);

	memcpy(plain.bytes, &bytes, sizeof(bytes));
	return plain;
}

static int
padded_length(int length)
{
	int			padded = LEAST_PADDED;

	while (padded < length && padded < GREAT_PADDED)
		padded *= 2;
	return padded >= length ? padded : (length + GREAT_PADDED - 1) / GREAT_PADDED * GREAT_PADDED;
}

/* Length, bytes, zeros. */
TomsPlain
toms_plain_from_bytes(const void *bytes, int length)
{
	uint32		size = pg_hton32((uint32) length);
	TomsPlain	plain;

	if (length > MAX_TEXT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a sealed value has at most %d bytes", MAX_TEXT),
				 toms_hide_value()));
	plain = room(padded_length(length + sizeof(size)));
	memcpy(plain.bytes, &size, sizeof(size));
	memcpy(plain.bytes + sizeof(size), bytes, length);
	return plain;
}

/* A time zone that is not known: before 16 an error of DecodeDateTime(), which quotes it. */
static bool
has_unknown_zone(char **fields, const int *types, int nfields)
{
	for (int i = 1; i < nfields; i++)
	{
		if (types[i] == DTK_DATE && !isdigit((unsigned char) *fields[i]) && pg_tzset(fields[i]) == NULL)
			return true;
	}
	return false;
}

/* date_in() would quote the value. */
static TomsPlain
date_from_text(const char *text)
{
	static const char expected[] = "A date is expected.";
	char		work[MAXDATELEN + 1];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			nfields;
	int			kind;
	fsec_t		fraction;
	int			zone;
	struct pg_tm tm;
	TomsPlain	plain;

	if (ParseDateTime(text, work, sizeof(work), fields, types, MAXDATEFIELDS, &nfields) != 0 ||
		has_unknown_zone(fields, types, nfields) ||
		toms_decode_date(fields, types, nfields, &kind, &tm, &fraction, &zone) != 0 ||
		(kind != DTK_DATE && kind != DTK_EARLY && kind != DTK_LATE) ||
		(kind == DTK_DATE && (!IS_VALID_JULIAN(tm.tm_year, tm.tm_mon, tm.tm_mday) ||
							  !IS_VALID_DATE(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE))))
		refuse_value("toms.health_date", expected);
	plain = toms_plain_from_date(kind == DTK_EARLY ? DATEVAL_NOBEGIN : kind == DTK_LATE ? DATEVAL_NOEND :
								 date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE);
	toms_secret_wipe(work, sizeof(work));
	return plain;
}

/* A word whose catalogue is not known yet, of a length that does not tell which. */
static TomsPlain
code_word(const char *text, int length)
{
	TomsPlain	plain = room(TOMS_CODE_WORD_BYTES);

	if (length == 0 || length >= TOMS_CODE_WORD_BYTES)
		refuse_value("toms.health_code", "A code has 1 to 63 bytes.");
	plain.bytes[0] = length;
	memcpy(plain.bytes + 1, text, length);
	return plain;
}

/* sealed_bytea: as bytea_in() takes it. */
static TomsPlain
bytes_from_text(const char *text, int length)
{
	bytea	   *bytes;
	TomsPlain	plain;

	if (strncmp(text, "\\x", 2) == 0 && strspn(text + 2, "0123456789abcdefABCDEF") == (size_t) length - 2 && length % 2 == 0)
		bytes = DatumGetByteaPP(DirectFunctionCall1(byteain, CStringGetDatum(text)));
	else if (strchr(text, '\\') == NULL)
		return toms_plain_from_bytes(text, length);
	else
		refuse_value("toms.sealed_bytea", "Hexadecimal digits after \\x are expected.");
	plain = toms_plain_from_bytes(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	toms_secret_wipe(bytes, VARSIZE_ANY(bytes));
	return plain;
}

/* boolin() would quote the value. */
static bool
boolean_from_text(const char *text, int length, bool *flag)
{
	while (length > 0 && isspace((unsigned char) *text))
		text++, length--;
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		length--;
	return parse_bool_with_len(text, length, flag);
}

TomsPlain
toms_plain_from_text(TomsSealedType type, const char *text, int length, int32 typmod)
{
	bool		flag;

	switch (type)
	{
		case TOMS_HEALTH_FLAG:
			if (!boolean_from_text(text, length, &flag))
				refuse_value("toms.health_flag", "A boolean is expected.");
			return toms_plain_from_flag(flag);
		case TOMS_HEALTH_DATE:
			return date_from_text(text);
		case TOMS_HEALTH_CODE:
			return typmod >= 0 ? toms_code_bytes(typmod, text, length) : code_word(text, length);
		case TOMS_SEALED_BYTEA:
			return bytes_from_text(text, length);
		default:
			return toms_plain_from_bytes(text, length);
	}
}

/* Of what has been opened, so that only toms can have written it. */
Datum
toms_plain_to_datum(TomsSealedType type, const uint8 *bytes, int length)
{
	uint32		number;

	switch (type)
	{
		case TOMS_HEALTH_FLAG:
			return BoolGetDatum(bytes[0] != 0);
		case TOMS_HEALTH_CODE:
			return toms_code_word(bytes);
		case TOMS_HEALTH_DATE:
			memcpy(&number, bytes, sizeof(number));
			return DateADTGetDatum((DateADT) pg_ntoh32(number));
		default:
			memcpy(&number, bytes, sizeof(number));
			number = pg_ntoh32(number);
			if (number > length - sizeof(number))
				elog(ERROR, "sealed value is not as it was sealed");
			return PointerGetDatum(cstring_to_text_with_len((const char *) bytes + sizeof(number), number));
	}
}
