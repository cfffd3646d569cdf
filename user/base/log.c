// SPDX-License-Identifier: Apache-2.0
/*
 * Lines go out with one write(2), so those of three processes never mix. A repeated line is held
 * back within one second and counted, so a storm of one fault cannot drown another. A path or a
 * name in a line may be anybody's choice: a control character in it shows as '?'.
 */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *name_ = "probity";
static enum log_level max_ = LOG_L_INFO;
static bool journal_;

void log_init(const char *name, enum log_level max)
{
	name_ = name;
	max_ = max;
	journal_ = getenv("JOURNAL_STREAM") != NULL;
}

static void put(enum log_level l, const char *text)
{
	static const char *const word[] = {"error: ", "warning: ", "", "debug: "};
	static const char *const prio[] = {"<3>", "<4>", "<6>", "<7>"};
	char line[1200];
	int n = snprintf(line, sizeof(line), "%s%s: %s%s\n", journal_ ? prio[l] : "", name_,
			 word[l], text);

	if (n >= (int)sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody to tell */
}

void log_line(enum log_level l, const char *fmt, ...)
{
	static char last[1024];
	static time_t last_at;
	static unsigned held;
	char text[1024], more[64];
	struct timespec now;
	va_list ap;

	if (l > max_)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!strcmp(text, last) && now.tv_sec - last_at < 1) {
		held++;
		return;
	}
	if (held) {
		snprintf(more, sizeof(more), "(last line repeated %u times)", held);
		put(l, more);
		held = 0;
	}
	memcpy(last, text, sizeof(last));
	last_at = now.tv_sec;
	put(l, text);
}
