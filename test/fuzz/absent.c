/*
 * absent.c - functions of the server that stand beside the parsers and that no harness comes to.
 *
 * Linked with test/fuzz/token.c.  Names alone are needed: who calls one ends.
 */
#define ABSENT(name) void name(void); void name(void) { __builtin_trap(); }

ABSENT(AllocSetContextCreateInternal)
ABSENT(AllocateDir)
ABSENT(AllocateFile)
ABSENT(BlessTupleDesc)
ABSENT(CloseTransientFile)
ABSENT(DefineCustomStringVariable)
ABSENT(FreeDir)
ABSENT(FreeFile)
ABSENT(GetCurrentTimestamp)
ABSENT(GetSystemIdentifier)
ABSENT(HeapTupleHeaderGetDatum)
ABSENT(MemoryContextDelete)
ABSENT(MemoryContextReset)
ABSENT(OpenTransientFile)
ABSENT(ReadDir)
ABSENT(cstring_to_text)
ABSENT(errcode_for_file_access)
ABSENT(errhidestmt)
ABSENT(get_call_result_type)
ABSENT(heap_form_tuple)
ABSENT(time_t_to_timestamptz)
