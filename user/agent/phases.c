// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the ends of the parts of a start, from whoever does them. Flows out: a debug line for each,
 * one line when the agent is ready, and the same for the status. By the wall, and by what was
 * computed: on a busy host the first says how busy it is.
 *
 * One table of the keeper, PHASES_MAX parts; a part named twice (a second try to load) is added up. What
 * finds no room is in the sum and nowhere else.
 */
#include "phases.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define PHASES_MAX 24

static struct phase {
	const char *name;
	uint64_t wall_ns, cpu_ns;
} phases[PHASES_MAX];
static unsigned phases_n;
static uint64_t wall_all, cpu_all, cpu_roles; /* until the agent was ready */
static uint64_t wall_last, cpu_last;

static uint64_t now_of(clockid_t clock)
{
	struct timespec t = {};

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static double ms(uint64_t ns)
{
	return round((double)ns / 1e5) / 10;
}

/* Before main(): what the loader did is computed time of the first phase. */
__attribute__((constructor)) static void begin(void)
{
	wall_last = now_of(CLOCK_MONOTONIC);
}

static struct phase *phase_named(const char *name)
{
	for (unsigned i = 0; i < phases_n; i++)
		if (!strcmp(phases[i].name, name))
			return &phases[i];
	if (phases_n == PHASES_MAX)
		return NULL;
	phases[phases_n].name = name;
	return &phases[phases_n++];
}

void phase_done(const char *name)
{
	uint64_t wall = now_of(CLOCK_MONOTONIC), cpu = now_of(CLOCK_PROCESS_CPUTIME_ID);
	struct phase *p = phase_named(name);

	if (p) {
		p->wall_ns += wall - wall_last;
		p->cpu_ns += cpu - cpu_last;
	}
	log_debug("start: %s took %.1f ms, %.1f ms of it computing", name, ms(wall - wall_last),
		  ms(cpu - cpu_last));
	wall_all += wall - wall_last;
	cpu_all += cpu - cpu_last;
	wall_last = wall;
	cpu_last = cpu;
}

void phases_ready(const pid_t *children, unsigned n)
{
	clockid_t clock;

	phase_done("settling");
	for (unsigned i = 0; i < n; i++)
		if (children[i] && !clock_getcpuclockid(children[i], &clock))
			cpu_roles += now_of(clock);
	log_info("ready %.0f ms after the start; computed %.0f ms, and %.0f ms in the other roles",
		 ms(wall_all), ms(cpu_all), ms(cpu_roles));
}

json_t *phases_status(void)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < phases_n; i++)
		json_array_append_new(rows, json_pack("{s:s, s:f, s:f}", "phase", phases[i].name,
						      "ms", ms(phases[i].wall_ns), "cpu",
						      ms(phases[i].cpu_ns)));
	return json_pack("{s:f, s:f, s:f, s:o}", "ready", ms(wall_all), "cpu", ms(cpu_all),
			 "roles_cpu", ms(cpu_roles), "phases", rows);
}
