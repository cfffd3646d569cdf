// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL and its kin by symbol. Flows in: a file some process maps executable. Flows out: the
 * file offset of each TLS function's entry and of each RET in it, decoded with Zydis (a return
 * probe by trampoline would kill seccomp-confined targets on new kernels).
 *
 * Invariant: reading a function is worth it only if its returns are known too, because bytes are
 * counted at return; so a function with an undecodable body or without a RET is left out and
 * counted. Limits: symbols only, x86-64 only; a tail jump out of the function is fine, because the
 * function it lands in is probed itself. The file may be hostile, and cut while we look: it is read,
 * never mapped, table sizes are bounded, and offsets made here are checked against the file. (Reading
 * also gives the file's own bytes; a private mapping would show the breakpoints of other probes.)
 */
#include "elf_tls.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proto/event.h"

static const struct function {
	const char *name;
	uint64_t site;
	bool returns;
} functions[] = {
	{"SSL_write", TLS_WRITE, true},
	{"SSL_write_ex", TLS_WRITE_EX, true},
	{"SSL_write_ex2", TLS_WRITE_EX2, true},
	{"SSL_read", TLS_READ, true},
	{"SSL_read_ex", TLS_READ_EX, true},
	{"SSL_do_handshake", TLS_HANDSHAKE, false},
	{"SSL_connect", TLS_HANDSHAKE, false},
	{"SSL_accept", TLS_ACCEPT, false},
	{"SSL_set_connect_state", TLS_CLIENT, false},
	{"SSL_set_accept_state", TLS_SERVER, false},
	{"SSL_free", TLS_FREE, false},
	{"SSL_clear", TLS_CLEAR, false},
	{"SSL_ctrl", TLS_CTRL, false},
};

#define FUNCTION_MAX (64 << 10) /* bytes of one function looked at */
#define SECTION_MAX (64 << 20)	/* of one symbol or string table */

struct file {
	Elf *elf;
	int fd;
	size_t size;
};

static void file_done(struct file *f)
{
	if (f->elf)
		elf_end(f->elf);
}

const char *elf_tls_function(size_t i)
{
	return i < ARRAY_SIZE(functions) ? functions[i].name : NULL;
}

/* Virtual address → file offset, of executable segments only. */
static bool file_offset(const struct file *f, uint64_t va, uint64_t *ret)
{
	size_t n = 0;

	if (elf_getphdrnum(f->elf, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(f->elf, i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		if (va < p.p_vaddr || va - p.p_vaddr >= p.p_filesz)
			continue;
		*ret = va - p.p_vaddr + p.p_offset;
		return *ret < f->size;
	}
	return false;
}

static bool add(struct tls_sites *s, uint64_t offset, uint64_t cookie)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->offset[i] == offset)
			return true; /* an alias of a function already there */
	if (s->n == TLS_SITES_MAX)
		return false;
	s->offset[s->n] = offset;
	s->cookie[s->n++] = cookie;
	return true;
}

static bool add_returns(const struct file *f, struct tls_sites *s, uint64_t offset, uint64_t size)
{
	static uint8_t code[FUNCTION_MAX];
	ZydisDecoder decoder;
	ZydisDecodedInstruction in;
	bool any = false;

	if (pread(f->fd, code, size, offset) != (ssize_t)size ||
	    ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return false;
	for (uint64_t at = 0; at < size; at += in.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, NULL, code + at, size - at,
							      &in)))
			return false;
		if (in.mnemonic == ZYDIS_MNEMONIC_RET) {
			if (!add(s, offset + at, TLS_RETURN))
				return false;
			any = true;
		} else if (in.meta.category == ZYDIS_CATEGORY_UNCOND_BR) {
			any = true; /* a tail jump: what it lands in is probed itself */
		}
	}
	return any;
}

static void take(const struct file *f, struct tls_sites *s, size_t row, const GElf_Sym *sym)
{
	size_t before = s->n;
	uint64_t offset, size = sym->st_size;

	if (!file_offset(f, sym->st_value, &offset))
		return;
	if (size > FUNCTION_MAX || size > f->size - offset)
		size = 0;
	if ((functions[row].returns && (!size || !add_returns(f, s, offset, size))) ||
	    !add(s, offset, functions[row].site)) {
		s->n = before;
		s->refused++;
		return;
	}
	s->functions |= 1u << row;
}

/* The names of a symbol table: it must end in a NUL, or each look-up would search its end. */
static const char *names(const struct file *f, const GElf_Shdr *sh, size_t *ret_n)
{
	Elf_Scn *scn = elf_getscn(f->elf, sh->sh_link);
	GElf_Shdr strings;
	Elf_Data *data;

	if (!scn || !gelf_getshdr(scn, &strings) || strings.sh_type != SHT_STRTAB ||
	    strings.sh_size > SECTION_MAX)
		return NULL;
	data = elf_getdata(scn, NULL);
	if (!data || !data->d_size || ((char *)data->d_buf)[data->d_size - 1])
		return NULL;
	*ret_n = data->d_size;
	return data->d_buf;
}

static void look(const struct file *f, Elf_Scn *scn, const GElf_Shdr *sh, struct tls_sites *s)
{
	size_t n = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0, names_n = 0;
	const char *text = sh->sh_size <= SECTION_MAX ? names(f, sh, &names_n) : NULL;
	Elf_Data *data = text ? elf_getdata(scn, NULL) : NULL;

	for (size_t i = 0; data && i < n; i++) {
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
		    sym.st_shndx == SHN_UNDEF || sym.st_name >= names_n)
			continue;
		name = text + sym.st_name;
		if (name[0] != 'S' || name[1] != 'S' || name[2] != 'L')
			continue;
		for (size_t row = 0; row < ARRAY_SIZE(functions); row++)
			if (!(s->functions & 1u << row) && !strcmp(name, functions[row].name))
				take(f, s, row, &sym);
	}
}

static void look_all(const struct file *f, uint32_t type, struct tls_sites *s)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(f->elf, scn));) {
		GElf_Shdr sh;

		if (gelf_getshdr(scn, &sh) && sh.sh_type == type)
			look(f, scn, &sh, s);
	}
}

int elf_tls_find(int fd, struct tls_sites *ret)
{
	_cleanup_(file_done) struct file f = {.fd = fd};
	struct tls_sites s = {};
	struct stat st;
	GElf_Ehdr eh;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOSYS;
	if (fstat(fd, &st) < 0)
		return -errno;
	f.size = st.st_size;
	f.elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!f.elf || elf_kind(f.elf) != ELF_K_ELF || !gelf_getehdr(f.elf, &eh) ||
	    eh.e_machine != EM_X86_64)
		return -ENOEXEC;
	look_all(&f, SHT_DYNSYM, &s);
	if (!s.functions)
		look_all(&f, SHT_SYMTAB, &s);
	/* Without a write or read among them the rest means nothing. */
	if (!(s.functions & 0x1f))
		return 0;
	strcpy(s.stack, "openssl");
	*ret = s;
	return 1;
}
