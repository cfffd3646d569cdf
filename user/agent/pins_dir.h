/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of pins: where it is, and how it goes. */
#ifndef PROBITY_AGENT_PINS_DIR_H
#define PROBITY_AGENT_PINS_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_object;
struct bpf_map;

/* Makes `dir` in a bpffs, mounting one where none is, and locks it. *ret_fd holds the lock.
 * -EBUSY: another agent has it; -errno. */
int pins_dir_open(const char *dir, int *ret_fd);
/* With all that is in it; what is not there is gone. 0 or -errno. */
int pins_dir_remove(const char *path);
/* A file of the pinned name, or a link's, is another one from now on; never none. */
int pins_dir_put(int fd, const char *dir, const char *name);
/* Whether the map is one whose contents the next agent goes on with. */
bool pins_map_kept(const struct bpf_map *m);
#define PINS_DIGEST 32
/* SHA-256 of this program's file and of names, sizes and types, down to the members, of all kept maps. */
int pins_digest(const struct bpf_object *obj, uint8_t ret[static PINS_DIGEST]);

#endif
