/*
 * text.h - texts, JSON in a strict and bounded form, memory, and what is told to the user.
 */
#ifndef TOMS_VERIFY_TEXT_H
#define TOMS_VERIFY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Neither ends with a NUL; at is NULL where there is none. */
typedef struct Text
{
	const char *at;
	size_t		size;
} Text;

typedef struct Bytes
{
	const uint8_t *at;
	size_t		size;
} Bytes;

/* json.c */

/* A member that is looked for; value.at is NULL if it is not there. */
typedef struct Member
{
	const char *name;
	bool		needed;
	Text		value;			/* as it stands, with quotes and brackets */
} Member;

#define NEEDED(word) {.name = word, .needed = true}
#define OPTIONAL(word) {.name = word}

/*
 * The members of the object that the text is.  Returns what is wrong, or NULL.  A name that
 * stands twice is wrong, so is one that is not looked for unless "others" are allowed.
 */
extern const char *json_members(Text text, Member *members, int count, bool others);

/* Steps through an array that json_members() has found: the next value at or after *offset; false at its end. */
extern bool json_element(Text array, size_t *offset, Text *value);

/* Values; false if it is none of that form. */
extern bool json_is_null(Text value);
extern bool json_number(Text value, uint64_t *number);
extern bool json_string(Text value, Text *inner);	/* escapes stay as they are */
extern bool json_is(Text value, const char *string);
extern bool json_bytes(Text value, void *into, size_t size);	/* base64url of just so many bytes */
extern bool json_blob(Text value, Bytes *bytes);	/* of any number, in scratch memory */
extern bool json_uuid(Text value, uint8_t into[16]);
extern bool json_time(Text value, char into[32]);	/* 2026-11-22T15:00:00.000000Z */

/* report.c */

/* Of what is told next; line 0: the file as a whole. */
extern void set_place(const char *file, uint64_t line);

/* Names what is wrong, on one line. */
extern void fault(const char *format,...) __attribute__((format(printf, 1, 2)));
extern void say(const char *format,...) __attribute__((format(printf, 1, 2)));
extern uint64_t faults(void);

/* Blocks of one fault that follow each other are named in one line; so end_range() before anything else. */
extern void fault_of_block(const char *what, uint64_t block);
extern void end_range(void);

/* Exit code 2: cannot be read. */
extern void fail(const char *file, const char *reason,...) __attribute__((noreturn, format(printf, 2, 3)));

/* Text from a file, printable whatever it holds, in scratch memory; of a JSON string its contents. */
extern const char *shown(Text text);
extern const char *shown_string(Text inner);
extern const char *shown_bytes(const void *bytes, size_t size);	/* base64url */
extern const char *shown_uuid(const uint8_t uuid[16]);

#define TIME_SIZE 32
/* µs since 2000 as 2026-11-22T15:00:00.000000Z, or (-)infinity. */
extern void print_time(int64_t at, char time[TIME_SIZE]);

/* Memory that lasts until it is taken back as a whole. */
extern void *scratch(size_t size);
extern void release_scratch(void);

/* An array with room for one more than count. */
extern void *grow(void *array, size_t count, size_t item);

#define lengthof(array) ((int) (sizeof(array) / sizeof((array)[0])))

#endif							/* TOMS_VERIFY_TEXT_H */
