/* SPDX-License-Identifier: Apache-2.0 */
/* When a rule is in force, and on which hosts. PURE: the time is given. */
#ifndef PROBITY_POLICY_SCHEDULE_H
#define PROBITY_POLICY_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_RANGES_MAX 8

struct schedule {
	uint8_t days; /* bit 0 = Monday */
	uint8_t n;    /* ranges; 0 = the whole day */
	struct {
		uint16_t from, to; /* minutes of the day; to <= from: over midnight */
	} hours[SCHEDULE_RANGES_MAX];
	int offset_s; /* of the zone, east of UTC */
};

extern const char *const schedule_days[]; /* "mon" … "sun", NULL */
/* "08:00-18:00", "22:00-06:00", "00:00-24:00". 0 or -EINVAL. */
int schedule_hours(const char *s, uint16_t *ret_from, uint16_t *ret_to);
/* "UTC", "+01:00", "-05:30". 0 or -EINVAL. */
int schedule_zone(const char *s, int *ret_offset_s);
/* "2026-12-31" → its first second, UTC. 0 or -EINVAL. */
int schedule_date(const char *s, int64_t *ret);
/* "2026-03-02T10:00:00Z". 0 or -EINVAL. */
int schedule_instant(const char *s, int64_t *ret);

bool schedule_holds(const struct schedule *s, int64_t now);
/* When that changes next; INT64_MAX: never. */
int64_t schedule_next(const struct schedule *s, int64_t now);

/* The share of hosts a rule is rolled out on, by names alone: it grows with percent, host by host. */
bool rollout_holds(unsigned percent, const char *pack, const char *rule, const char *host_id);

#endif
