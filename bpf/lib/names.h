/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What a command line names. In: the arguments of the image that begins, and the state its program
 * starts in. Out: the packages and modules it names, one after the other, and the rules on each. The
 * grammar is data (exec_names, gate.h); user/classify/launch.c reads it alike, so that the keeper
 * knows what was judged here.
 *
 * Limits: EXEC_LINE_WORDS words, names of EXEC_NAME_MAX. What lies behind the first word that is no
 * option, and leads nowhere, is the data of what runs.
 *
 * All that changes from word to word stands in `exec_lines` and not in registers: the verifier takes
 * what comes from a map as unknown and goes through each loop once. It also goes through the
 * functions by themselves, which take no arguments, because 5.10 knows none that are pointers.
 */
#ifndef PROBITY_BPF_NAMES_H
#define PROBITY_BPF_NAMES_H

#include "exec.h"

#define NAME_AT(i) ((i) & (EXEC_NAME_MAX - 1))
#define CLUSTER 8 /* letters behind one '-' that are looked at */
#define DOTS 4	  /* of a module's name */

struct line {
	__u64 at, end; /* of the arguments that are not read yet */
	__u64 generation;
	__u32 state; /* 0 = ended */
	__u32 n;     /* words read */
	/* of the word in hand */
	struct exec_name_value as; /* how its state takes it */
	char word[EXEC_NAME_MAX];
	__u32 from, to; /* in it, in the name */
	__u32 how;	/* enum exec_how */
	__u32 slashes, dots;
	__u32 stopped, bad; /* the name is over; it is none */
	__u32 skip, rest;   /* the next word is a value; is the rest of this one */
	struct exec_name key;
	/* found */
	__u64 rules;
	struct exec_key file;
	__u32 next;
	char name[EXEC_NAME_MAX];
	struct look look; /* of the verdict: no stack has room for it */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct line);
} exec_lines SEC(".maps");

static __always_inline struct line *line_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&exec_lines, &zero);
}

/* The name in hand, as it stands by now. */
static __always_inline void name_look(struct line *l, __u32 space)
{
	struct exec_name_value *v;
	__u64 rules = 0;

	l->key.space = space;
	v = bpf_map_lookup_elem(&exec_names, &l->key);
	if (!v)
		return;
	if (v->next)
		l->next = v->next;
	if (!rules_of(v->of, l->generation, &rules) || !rules)
		return;
	l->rules |= rules;
	l->file = v->file;
	bpf_probe_read_kernel(l->name, sizeof(l->name), l->key.word);
}

static __always_inline bool ends_name(const struct line *l, char c)
{
	if (l->how == EXEC_HOW_PYPI)
		return c == '@' || c == '[' || c == '=' || c == '<' || c == '>' || c == '!' ||
		       c == '~' || c == ';' || c == ',' || c == '(' || c == ' ';
	return (l->how == EXEC_HOW_NPM || l->how == EXEC_HOW_DENO) && c == '@' && l->to;
}

/* A repository or a path is no name; behind what deno takes there may be one. */
static __always_inline void slash(struct line *l)
{
	if (l->how == EXEC_HOW_PYPI || l->how == EXEC_HOW_MODULE)
		l->bad = 1;
	else if (l->key.word[0] == '@' && !l->slashes)
		l->slashes = 1;
	else if (l->how == EXEC_HOW_DENO)
		l->stopped = 1;
	else
		l->bad = 1;
}

static __always_inline char folded(const struct line *l, char c)
{
	if (l->how == EXEC_HOW_PYPI && (c == '_' || c == '.'))
		c = '-';
	if (l->how != EXEC_HOW_MODULE && l->how >= EXEC_HOW_NPM && c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	return c;
}

static __always_inline __u32 name_space(const struct line *l)
{
	if (l->how < EXEC_HOW_NPM)
		return l->state;
	return l->how == EXEC_HOW_DENO ? EXEC_HOW_NPM : l->how;
}

/* One character of a name; 1: it was its end, and the name was looked up. */
__weak __noinline int name_char(__u32 i)
{
	struct line *l = line_of();
	char c;

	if (!l)
		return 1;
	c = l->word[NAME_AT(l->from + i)];
	if (!c || ends_name(l, c))
		l->stopped = 1;
	if (c == '/' && l->how >= EXEC_HOW_NPM && !l->stopped)
		slash(l);
	if (c == ':' && l->how >= EXEC_HOW_NPM)
		l->bad = 1;
	if (l->stopped || l->bad || i == EXEC_NAME_MAX - 1) {
		if (!l->bad && l->to)
			name_look(l, name_space(l));
		return 1;
	}
	if (c == '.' && l->how == EXEC_HOW_MODULE && l->dots < DOTS) {
		l->dots++;
		name_look(l, EXEC_HOW_MODULE);
	}
	c = folded(l, c);
	if (c == '-' && l->how == EXEC_HOW_PYPI && l->to && l->key.word[NAME_AT(l->to - 1)] == '-')
		return 0;
	l->key.word[NAME_AT(l->to)] = c;
	l->to++;
	return 0;
}

/* word[from…] → key.word, and what the map says of it. */
__weak __noinline int name_read(void)
{
	struct line *l = line_of();

	if (!l)
		return 0;
	__builtin_memset(&l->key, 0, sizeof(l->key));
	l->to = l->slashes = l->dots = l->stopped = l->bad = 0;
	for (__u32 i = 0; i < EXEC_NAME_MAX; i++)
		if (name_char(i))
			break;
	return 0;
}

/* from → behind the word's last '/'. */
__weak __noinline int name_base(void)
{
	struct line *l = line_of();

	for (__u32 i = 0; l && i < EXEC_NAME_MAX; i++)
		if (l->word[i] == '/')
			l->from = i + 1;
	return 0;
}

/* An option, up to a '=': from → behind it, else 0. What the map says of it is in as. */
__weak __noinline int name_option(void)
{
	struct line *l = line_of();
	struct exec_name_value *v;

	if (!l)
		return 0;
	__builtin_memset(&l->key, 0, sizeof(l->key));
	l->from = 0;
	for (__u32 i = 0; i < EXEC_NAME_MAX - 1; i++) {
		if (l->word[i] == '=')
			l->from = i + 1;
		if (!l->word[i] || l->from)
			break;
		l->key.word[i] = l->word[i];
	}
	l->key.space = l->state;
	v = bpf_map_lookup_elem(&exec_names, &l->key);
	if (v)
		l->as = *v;
	else
		__builtin_memset(&l->as, 0, sizeof(l->as));
	return 0;
}

static __always_inline void state_as(struct line *l, __u32 state)
{
	const struct exec_name_value *v;

	l->state = state;
	__builtin_memset(&l->key, 0, sizeof(l->key));
	l->key.space = state;
	v = bpf_map_lookup_elem(&exec_names, &l->key);
	if (v)
		l->as = *v;
	else
		__builtin_memset(&l->as, 0, sizeof(l->as));
}

/* A word that is no option, or an option's value. */
__weak __noinline int name_word(void)
{
	struct line *l = line_of();
	__u32 back;

	if (!l)
		return 0;
	back = l->as.flags & EXEC_WORD_BACK ? l->as.next : 0;
	l->how = l->as.how;
	l->next = 0;
	if (l->how == EXEC_HOW_BASE)
		name_base();
	if (l->how == EXEC_HOW_DENO) {
		char *w = &l->word[NAME_AT(l->from)];

		if (l->from || w[0] != 'n' || w[1] != 'p' || w[2] != 'm' || w[3] != ':') {
			l->state = 0;
			return 0;
		}
		l->from = w[4] == '/' ? 5 : 4;
	}
	if (l->how)
		name_read();
	l->state = l->next ?: back;
	return 0;
}

/* An option that names something: here, from `from` on, or in the next word. */
static __always_inline void name_value(struct line *l, __u32 state)
{
	__u32 from = l->from;

	state_as(l, state);
	l->from = from;
	if (from)
		name_word();
}

/* Options of one letter, several behind one '-': -Im aider, -maider. */
__weak __noinline int name_cluster(void)
{
	struct line *l = line_of();
	struct exec_name_value *v;

	if (!l)
		return 0;
	__builtin_memset(&l->key, 0, sizeof(l->key));
	l->key.space = l->state;
	l->key.word[0] = '-';
	for (__u32 i = 1; i < CLUSTER && l->word[i]; i++) {
		l->key.word[1] = l->word[i];
		v = bpf_map_lookup_elem(&exec_names, &l->key);
		if (!v)
			continue;
		l->from = l->word[i + 1] ? i + 1 : 0;
		if (v->flags & EXEC_WORD_SKIP)
			l->skip = !l->from;
		else if (v->flags & EXEC_WORD_END)
			l->state = 0;
		else if (v->next)
			name_value(l, v->next);
		break;
	}
	return 0;
}

/* One word. */
__weak __noinline int name_step(void)
{
	struct line *l = line_of();
	struct exec_name_value *v;
	__u32 was;
	long n;

	if (!l)
		return 0;
	__builtin_memset(l->word, 0, sizeof(l->word));
	n = bpf_probe_read_user_str(l->word, sizeof(l->word), (void *)l->at);
	if (l->at >= l->end || n <= 0) {
		l->state = 0;
		return 0;
	}
	was = l->rest;
	l->rest = n == EXEC_NAME_MAX; /* its NUL is ours */
	l->at += n - l->rest;
	l->from = 0;
	if (was)
		return 0;
	if (l->skip) {
		l->skip = 0;
		return 0;
	}
	if (!l->n++) { /* argv[0]: what it was called by, if that changes anything */
		state_as(l, l->state);
		l->how = EXEC_HOW_BASE;
		l->next = 0;
		name_base();
		name_read();
		if (l->next) {
			v = bpf_map_lookup_elem(&exec_names, &l->key);
			if (v && v->flags & EXEC_WORD_ZERO)
				l->state = l->next;
		}
		l->rules = 0;
		return 0;
	}
	state_as(l, l->state);
	if (l->word[0] != '-' || !l->word[1] || l->as.flags & EXEC_WORD_BACK)
		return name_word();
	if (l->as.flags & EXEC_WORD_CLUSTER && l->word[1] != '-')
		return name_cluster();
	name_option();
	if (l->as.flags & EXEC_WORD_SKIP)
		l->skip = !l->from;
	else if (l->as.flags & EXEC_WORD_END)
		l->state = 0;
	else if (l->as.next)
		name_value(l, l->as.next);
	return 0;
}

/* Whether there is a line to be read. */
static __always_inline struct line *names_begin(struct task_struct *t, __u32 state,
						__u64 generation)
{
	struct line *l = state ? line_of() : NULL;

	if (!l)
		return NULL;
	l->at = BPF_CORE_READ(t, mm, arg_start);
	l->end = BPF_CORE_READ(t, mm, arg_end);
	l->generation = generation;
	l->state = state;
	l->n = l->skip = l->rest = 0;
	l->rules = 0;
	return l;
}

#endif
