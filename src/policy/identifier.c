/*
 * identifier.c - a tenant's or subject's id from a token as a value of a column's type, and back.
 *
 * Called by qual.c, decide.c and alias.c, and by slice seal.  Raises no error: what does not
 * fit is no row.
 */
#include "policy/policy_int.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

/* As PostgreSQL prints it: no plus, no blank, no leading zero, no minus zero. */
static bool
integer_value(const char *text, int64 min, int64 max, int64 *value)
{
	const char *digits = text + (*text == '-');
	char	   *end;

	if (*digits < '0' || *digits > '9' || (*digits == '0' && text[1] != '\0'))
		return false;
	errno = 0;
	*value = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && *value >= min && *value <= max;
}

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower case, with its four hyphens, as PostgreSQL prints it. */
static bool
uuid_value(const char *text, pg_uuid_t *uuid)
{
	int			byte = 0;

	for (int i = 0; i < 36; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (text[i] != '-')
				return false;
		}
		else
		{
			int			high = hex_value(text[i]);
			int			low = high < 0 ? -1 : hex_value(text[i + 1]);

			if (low < 0)
				return false;
			uuid->data[byte++] = high << 4 | low;
			i++;
		}
	}
	return text[36] == '\0';
}

bool
toms_identifier_value(const char *text, Oid type, Datum *value)
{
	pg_uuid_t	uuid;
	int64		number;

	switch (type)
	{
		case INT2OID:
			if (!integer_value(text, PG_INT16_MIN, PG_INT16_MAX, &number))
				return false;
			*value = Int16GetDatum((int16) number);
			return true;
		case INT4OID:
			if (!integer_value(text, PG_INT32_MIN, PG_INT32_MAX, &number))
				return false;
			*value = Int32GetDatum((int32) number);
			return true;
		case INT8OID:
			if (!integer_value(text, PG_INT64_MIN, PG_INT64_MAX, &number))
				return false;
			*value = Int64GetDatum(number);
			return true;
		case UUIDOID:
			if (!uuid_value(text, &uuid))
				return false;
			*value = UUIDPGetDatum(memcpy(palloc(sizeof(uuid)), &uuid, sizeof(uuid)));
			return true;
		case TEXTOID:
			*value = CStringGetTextDatum(text);
			return true;
		default:
			return false;
	}
}

bool
toms_identifier_text(Oid type, Datum value, char text[TOMS_IDENTIFIER_BYTES])
{
	const struct varlena *words;

	switch (type)
	{
		case INT2OID:
			pg_ltoa(DatumGetInt16(value), text);
			return true;
		case INT4OID:
			pg_ltoa(DatumGetInt32(value), text);
			return true;
		case INT8OID:
			pg_lltoa(DatumGetInt64(value), text);
			return true;
		case UUIDOID:
			strlcpy(text, DatumGetCString(DirectFunctionCall1(uuid_out, value)), TOMS_IDENTIFIER_BYTES);
			return true;
		default:
			words = PG_DETOAST_DATUM_PACKED(value);
			if (VARSIZE_ANY_EXHDR(words) >= TOMS_IDENTIFIER_BYTES)
				return false;
			memcpy(text, VARDATA_ANY(words), VARSIZE_ANY_EXHDR(words));
			text[VARSIZE_ANY_EXHDR(words)] = '\0';
			return true;
	}
}

bool
toms_type_is_bounded(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == UUIDOID;
}
