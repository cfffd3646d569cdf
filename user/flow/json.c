// SPDX-License-Identifier: Apache-2.0
/*
 * The JSON scanner: a push automaton with one step function per kind of state.
 *
 * In come bytes, out go events. The whole position is in struct json, so a document may be split
 * between any two bytes: inside an escape, a surrogate pair, a number, a word, a UTF-8 sequence.
 * Runs of plain string bytes are passed on where they lie, without a copy.
 *
 * Strict where strictness tells JSON from other text early: grammar of numbers and words, commas,
 * control bytes in strings. Lenient where real servers are sloppy: bytes over 7F are passed as
 * they are (consumers clean them), a lone surrogate becomes U+FFFD. What is deeper than
 * JSON_DEPTH_MAX is skipped: brackets counted, strings honoured, nothing reported, kinds of
 * brackets not compared.
 */
#include "json.h"

#include <string.h>

enum state {
	VALUE,	      /* a value must come */
	ARRAY_FIRST,  /* a value or ] */
	OBJECT_FIRST, /* a key or } */
	OBJECT_KEY,   /* a key must come */
	COLON,
	AFTER, /* a value ended inside a container */
	DONE,
	STRING,
	ESCAPE,
	HEX, /* sub: digits read */
	WORD,
	NUMBER, /* sub: enum number */
	SKIP,
	SKIP_STRING,
	SKIP_ESCAPE,
	BAD,
};

enum number { N_MINUS, N_ZERO, N_INT, N_DOT, N_FRAC, N_E, N_SIGN, N_EXP };

static const char replacement[] = "\xef\xbf\xbd";

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static void emit(struct json *j, enum json_event ev)
{
	j->fn(j->ctx, ev, NULL, 0);
}

static void value_ended(struct json *j)
{
	j->state = j->depth ? AFTER : DONE;
}

static void open_container(struct json *j, bool array)
{
	if (j->depth == JSON_NEST_MAX) {
		j->state = BAD;
		return;
	}
	if (j->depth++ >= JSON_DEPTH_MAX) {
		j->state = SKIP;
		return;
	}
	if (array)
		j->arrays |= 1ull << (j->depth - 1);
	else
		j->arrays &= ~(1ull << (j->depth - 1));
	emit(j, array ? JSON_ARRAY : JSON_OBJECT);
	j->state = array ? ARRAY_FIRST : OBJECT_FIRST;
}

static bool in_array(const struct json *j)
{
	return j->arrays >> (j->depth - 1) & 1;
}

static void close_container(struct json *j, bool array)
{
	if (in_array(j) != array) {
		j->state = BAD;
		return;
	}
	emit(j, array ? JSON_ARRAY_END : JSON_OBJECT_END);
	j->depth--;
	value_ended(j);
}

static void begin_word(struct json *j, const char *word, enum json_event ev)
{
	j->word = word + 1;
	j->word_event = ev;
	j->state = WORD;
}

static void begin_string(struct json *j, bool key)
{
	j->in_key = key;
	j->used = 0;
	j->high = 0;
	j->state = STRING;
}

static void begin_number(struct json *j, uint8_t c)
{
	j->sub = c == '-' ? N_MINUS : c == '0' ? N_ZERO : N_INT;
	j->text[0] = c;
	j->used = 1;
	j->state = NUMBER;
}

static void begin_value(struct json *j, uint8_t c)
{
	switch (c) {
	case '{':
		open_container(j, false);
		break;
	case '[':
		open_container(j, true);
		break;
	case '"':
		begin_string(j, false);
		break;
	case 't':
		begin_word(j, "true", JSON_TRUE);
		break;
	case 'f':
		begin_word(j, "false", JSON_FALSE);
		break;
	case 'n':
		begin_word(j, "null", JSON_NULL);
		break;
	default:
		if (c == '-' || is_digit(c))
			begin_number(j, c);
		else
			j->state = BAD;
	}
}

/* Between tokens: one byte that is not white space. */
static void step_between(struct json *j, uint8_t c)
{
	if (j->state == ARRAY_FIRST && c == ']')
		close_container(j, true);
	else if (j->state == OBJECT_FIRST && c == '}')
		close_container(j, false);
	else if (j->state == VALUE || j->state == ARRAY_FIRST || (j->state == DONE && j->many))
		begin_value(j, c);
	else if ((j->state == OBJECT_FIRST || j->state == OBJECT_KEY) && c == '"')
		begin_string(j, true);
	else if (j->state == COLON && c == ':')
		j->state = VALUE;
	else if (j->state == AFTER && c == ',')
		j->state = in_array(j) ? VALUE : OBJECT_KEY;
	else if (j->state == AFTER && (c == ']' || c == '}'))
		close_container(j, c == ']');
	else
		j->state = BAD;
}

static void string_bytes(struct json *j, const char *p, size_t n)
{
	if (!j->in_key) {
		j->fn(j->ctx, JSON_STRING, p, n);
		return;
	}
	if (n <= JSON_KEY_MAX && j->used <= JSON_KEY_MAX - n)
		memcpy(j->text + j->used, p, n);
	/* Saturating: a key of gigabytes stays "too long". */
	j->used = n > UINT32_MAX - j->used ? UINT32_MAX : j->used + (uint32_t)n;
}

static void string_code(struct json *j, uint32_t c)
{
	char out[4];
	size_t n = 0;

	if (c < 0x80) {
		out[n++] = (char)c;
	} else {
		if (c < 0x800) {
			out[n++] = (char)(0xc0 | c >> 6);
		} else {
			if (c < 0x10000) {
				out[n++] = (char)(0xe0 | c >> 12);
			} else {
				out[n++] = (char)(0xf0 | c >> 18);
				out[n++] = (char)(0x80 | (c >> 12 & 0x3f));
			}
			out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		}
		out[n++] = (char)(0x80 | (c & 0x3f));
	}
	string_bytes(j, out, n);
}

/* The high surrogate that waited will get no partner. */
static void string_lone(struct json *j)
{
	if (j->high)
		string_bytes(j, replacement, sizeof(replacement) - 1);
	j->high = 0;
}

static void string_ended(struct json *j)
{
	if (!j->in_key) {
		emit(j, JSON_STRING_END);
		value_ended(j);
		return;
	}
	j->fn(j->ctx, JSON_KEY, j->used <= JSON_KEY_MAX ? j->text : NULL, j->used);
	j->state = COLON;
}

static size_t step_string(struct json *j, const uint8_t *p, size_t n)
{
	size_t run = 0;

	while (run < n && p[run] != '"' && p[run] != '\\' && p[run] >= 0x20)
		run++;
	if (run) {
		string_lone(j);
		string_bytes(j, (const char *)p, run);
	}
	if (run == n)
		return n;
	if (p[run] == '\\') {
		j->state = ESCAPE;
	} else if (p[run] == '"') {
		string_lone(j);
		string_ended(j);
	} else {
		j->state = BAD;
	}
	return run + 1;
}

static void step_escape(struct json *j, uint8_t c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = c ? strchr(from, c) : NULL;

	if (c == 'u') {
		j->sub = 0;
		j->code = 0;
		j->state = HEX;
	} else if (at) {
		string_lone(j);
		string_bytes(j, to + (at - from), 1);
		j->state = STRING;
	} else {
		j->state = BAD;
	}
}

static void string_unit(struct json *j, uint32_t unit)
{
	if (unit >= 0xdc00 && unit <= 0xdfff && j->high) {
		uint32_t high = j->high;

		j->high = 0;
		string_code(j, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
		return;
	}
	string_lone(j);
	if (unit >= 0xd800 && unit <= 0xdbff)
		j->high = (uint16_t)unit;
	else
		string_code(j, unit >= 0xdc00 && unit <= 0xdfff ? 0xfffd : unit);
}

static void step_hex(struct json *j, uint8_t c)
{
	uint8_t low = c | 0x20;

	if (is_digit(c)) {
		j->code = j->code << 4 | (c - '0');
	} else if (low >= 'a' && low <= 'f') {
		j->code = j->code << 4 | (low - 'a' + 10);
	} else {
		j->state = BAD;
		return;
	}
	if (++j->sub < 4)
		return;
	j->state = STRING;
	string_unit(j, j->code);
}

static void step_word(struct json *j, uint8_t c)
{
	if (c != (uint8_t)*j->word) {
		j->state = BAD;
		return;
	}
	if (*++j->word)
		return;
	emit(j, j->word_event);
	value_ended(j);
}

/* Next place in the number's grammar, -1 if c cannot follow. */
static int number_next(enum number at, uint8_t c)
{
	switch (at) {
	case N_MINUS:
		return c == '0' ? N_ZERO : is_digit(c) ? N_INT : -1;
	case N_ZERO:
	case N_INT:
		if (at == N_INT && is_digit(c))
			return N_INT;
		return c == '.' ? N_DOT : (c | 0x20) == 'e' ? N_E : -1;
	case N_DOT:
		return is_digit(c) ? N_FRAC : -1;
	case N_FRAC:
		return is_digit(c) ? N_FRAC : (c | 0x20) == 'e' ? N_E : -1;
	case N_E:
		return c == '+' || c == '-' ? N_SIGN : is_digit(c) ? N_EXP : -1;
	case N_SIGN:
	case N_EXP:
		return is_digit(c) ? N_EXP : -1;
	}
	return -1;
}

static bool number_whole(const struct json *j)
{
	return j->sub == N_ZERO || j->sub == N_INT || j->sub == N_FRAC || j->sub == N_EXP;
}

static void number_ended(struct json *j)
{
	bool fits = j->used <= JSON_NUMBER_MAX;

	j->fn(j->ctx, JSON_NUMBER, fits ? j->text : NULL, fits ? j->used : 0);
	value_ended(j);
}

/* Takes no byte when c is what ends the number. */
static size_t step_number(struct json *j, uint8_t c)
{
	int next = number_next(j->sub, c);

	if (next >= 0) {
		if (j->used < JSON_NUMBER_MAX)
			j->text[j->used] = (char)c;
		if (j->used <= JSON_NUMBER_MAX)
			j->used++;
		j->sub = (uint8_t)next;
		return 1;
	}
	if (number_whole(j) && (is_space(c) || c == ',' || c == ']' || c == '}'))
		number_ended(j);
	else
		j->state = BAD;
	return 0;
}

static void step_skip(struct json *j, uint8_t c)
{
	if (c == '"')
		j->state = SKIP_STRING;
	else if (c == '{' || c == '[')
		open_container(j, c == '[');
	else if ((c == '}' || c == ']') && --j->depth == JSON_DEPTH_MAX)
		j->state = AFTER;
	else if (c >= 0x7f || (c < 0x20 && !is_space(c)))
		j->state = BAD;
}

static void step_skip_string(struct json *j, uint8_t c)
{
	if (j->state == SKIP_ESCAPE)
		j->state = SKIP_STRING;
	else if (c == '\\')
		j->state = SKIP_ESCAPE;
	else if (c == '"')
		j->state = SKIP;
	else if (c < 0x20)
		j->state = BAD;
}

/* Takes at least one byte, or changes the state. */
static size_t step(struct json *j, const uint8_t *p, size_t n)
{
	switch ((enum state)j->state) {
	case STRING:
		return step_string(j, p, n);
	case ESCAPE:
		step_escape(j, *p);
		return 1;
	case HEX:
		step_hex(j, *p);
		return 1;
	case WORD:
		step_word(j, *p);
		return 1;
	case NUMBER:
		return step_number(j, *p);
	case SKIP:
		step_skip(j, *p);
		return 1;
	case SKIP_STRING:
	case SKIP_ESCAPE:
		step_skip_string(j, *p);
		return 1;
	default:
		if (!is_space(*p))
			step_between(j, *p);
		return 1;
	}
}

void json_init(struct json *j, json_fn *fn, void *ctx, bool many)
{
	memset(j, 0, sizeof(*j));
	j->fn = fn;
	j->ctx = ctx;
	j->many = many;
	j->state = VALUE;
}

static enum json_status status(const struct json *j)
{
	return j->state == BAD ? JSON_BAD : j->state == DONE ? JSON_DONE : JSON_MORE;
}

enum json_status json_feed(struct json *j, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && j->state != BAD;) {
		j->at = p + i;
		i += step(j, p + i, n - i);
	}
	return status(j);
}

enum json_status json_end(struct json *j)
{
	if (j->state == NUMBER && !j->depth && number_whole(j))
		number_ended(j);
	return status(j);
}

int64_t json_count(const char *p, size_t n)
{
	int64_t v = 0;
	size_t i = 0;

	for (; i < n && is_digit((uint8_t)p[i]); i++) {
		if (v > (INT64_MAX - 9) / 10)
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	if (!i)
		return -1;
	if (i < n && p[i++] != '.')
		return -1;
	for (; i < n; i++)
		if (p[i] != '0')
			return -1;
	return v;
}
