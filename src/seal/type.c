/*
 * type.c - what PostgreSQL calls for the sealed types: input, output, modifiers, casts.
 *
 * A plain value becomes a pending one at once; ciphertext is taken and given as it is.  There are
 * no operators and no statistics.  No function here needs a context or a key of a tenant.
 */
#include "seal/seal_int.h"

#include "base/secret.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(toms_sealed_in);
PG_FUNCTION_INFO_V1(toms_sealed_out);
PG_FUNCTION_INFO_V1(toms_sealed_recv);
PG_FUNCTION_INFO_V1(toms_sealed_send);
PG_FUNCTION_INFO_V1(toms_sealed_typanalyze);
PG_FUNCTION_INFO_V1(toms_code_typmod_in);
PG_FUNCTION_INFO_V1(toms_code_typmod_out);
PG_FUNCTION_INFO_V1(toms_code_of_catalogue);
PG_FUNCTION_INFO_V1(toms_seal_text);
PG_FUNCTION_INFO_V1(toms_seal_boolean);
PG_FUNCTION_INFO_V1(toms_seal_integer);
PG_FUNCTION_INFO_V1(toms_seal_date);
PG_FUNCTION_INFO_V1(toms_seal_bytea);

static Datum
pending(TomsSealedType type, TomsPlain plain)
{
	struct varlena *value = toms_pending_seal(type, plain.bytes, plain.length);

	toms_plain_wipe(&plain);
	return PointerGetDatum(value);
}

/* Armour, or a plain value. */
static Datum
from_text(TomsSealedType type, const char *text, int length, int32 typmod)
{
	struct varlena *value = toms_dearmour(text, type);

	return value ? PointerGetDatum(value) : pending(type, toms_plain_from_text(type, text, length, typmod));
}

static TomsSealedType
type_of(Oid type)
{
	TomsSealedType sealed = toms_sealed_type(type);

	if (sealed == TOMS_NOT_SEALED)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("type %u is not a sealed type", type)));
	return sealed;
}

Datum
toms_sealed_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);

	return from_text(type_of(PG_GETARG_OID(1)), text, strlen(text), PG_GETARG_INT32(2));
}

Datum
toms_sealed_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(toms_armour(PG_GETARG_VARLENA_PP(0)));
}

/* Ciphertext only: plain bytes could not be told from it. */
Datum
toms_sealed_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	TomsSealedType type = type_of(PG_GETARG_OID(1));
	int			length = message->len - message->cursor;
	struct varlena *value = palloc(VARHDRSZ + length);
	TomsEnvelope envelope;

	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), pq_getmsgbytes(message, length), length);
	if (!toms_envelope_read(value, &envelope) || envelope.type != type)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("the sealed value is damaged, or of another type"),
				 errhint("Plain values are sent as text, or as parameters of the plain type."),
				 toms_hide_value()));
	PG_RETURN_POINTER(value);
}

Datum
toms_sealed_send(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbytes(&message, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* Nothing is measured. */
Datum
toms_sealed_typanalyze(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(false);
}

/* toms.health_code('kinds'), or its number: a dump has that. */
Datum
toms_code_typmod_in(PG_FUNCTION_ARGS)
{
	Datum	   *elements;
	int			count;
	const char *name;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), CSTRINGOID, -2, false, TYPALIGN_CHAR, &elements, NULL, &count);
	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type toms.health_code has one modifier, the name of a catalogue of codes")));
	name = DatumGetCString(elements[0]);
	if (*name != '\0' && strspn(name, "0123456789") == strlen(name))
	{
		int			number = pg_strtoint32(name);

		if (number < 1 || number > PG_UINT16_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("there is no catalogue of codes with the number %d", number)));
		PG_RETURN_INT32(number);
	}
	PG_RETURN_INT32(toms_catalogue_by_name(name));
}

Datum
toms_code_typmod_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(psprintf("(%d)", PG_GETARG_INT32(0)));
}

/* The number of a code in the catalogue, from the word or the code of another catalogue. */
static TomsPlain
code_in_catalogue(const TomsEnvelope *envelope, int catalogue)
{
	uint8		bytes[TOMS_CODE_WORD_BYTES];
	TomsPlain	plain;

	if (!toms_pending_open(envelope, bytes))
		toms_refuse_unreadable();
	if (envelope->plain_length == TOMS_CODE_BYTES)
	{
		text	   *word = DatumGetTextPP(toms_code_word(bytes));

		plain = toms_code_bytes(catalogue, VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word));
		toms_secret_wipe(word, VARSIZE_ANY(word));
	}
	else
		plain = toms_code_bytes(catalogue, (const char *) bytes + 1, Min(bytes[0], TOMS_CODE_WORD_BYTES - 1));
	toms_secret_wipe(bytes, sizeof(bytes));
	return plain;
}

/* The coercion to a modifier; stored values are the trigger's to judge. */
Datum
toms_code_of_catalogue(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	int32		catalogue = PG_GETARG_INT32(1);
	TomsEnvelope envelope;

	if (catalogue < 0)
		PG_RETURN_POINTER(value);
	if (!toms_envelope_read(value, &envelope) || envelope.type != TOMS_HEALTH_CODE)
		toms_refuse_unreadable();
	if (envelope.key_id != 0)
		PG_RETURN_POINTER(value);
	return pending(TOMS_HEALTH_CODE, code_in_catalogue(&envelope, catalogue));
}

/* The sealed type that a cast's function returns. */
static TomsSealedType
returned_type(FunctionCallInfo fcinfo)
{
	TomsSealedType *kept = fcinfo->flinfo->fn_extra;

	if (kept == NULL)
	{
		kept = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(TomsSealedType));
		*kept = type_of(get_func_rettype(fcinfo->flinfo->fn_oid));
		fcinfo->flinfo->fn_extra = kept;
	}
	return *kept;
}

Datum
toms_seal_text(PG_FUNCTION_ARGS)
{
	text	   *words = PG_GETARG_TEXT_PP(0);
	char	   *copy = text_to_cstring(words);
	Datum		value = from_text(returned_type(fcinfo), copy, VARSIZE_ANY_EXHDR(words), -1);

	toms_secret_wipe(copy, VARSIZE_ANY_EXHDR(words));
	return value;
}

Datum
toms_seal_boolean(PG_FUNCTION_ARGS)
{
	return pending(TOMS_HEALTH_FLAG, toms_plain_from_flag(PG_GETARG_BOOL(0)));
}

Datum
toms_seal_integer(PG_FUNCTION_ARGS)
{
	int32		number = PG_GETARG_INT32(0);

	if (number != 0 && number != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid plain value for type toms.health_flag"),
				 errdetail("A number is 0 or 1."),
				 toms_hide_value()));
	return pending(TOMS_HEALTH_FLAG, toms_plain_from_flag(number == 1));
}

Datum
toms_seal_date(PG_FUNCTION_ARGS)
{
	return pending(TOMS_HEALTH_DATE, toms_plain_from_date(PG_GETARG_DATEADT(0)));
}

Datum
toms_seal_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);

	return pending(TOMS_SEALED_BYTEA, toms_plain_from_bytes(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)));
}
