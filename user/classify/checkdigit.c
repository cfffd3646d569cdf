/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check digits: the algorithms, and the payment numbers built on them. Identity numbers are in
 * idnumber.c. Nothing is kept or allocated; any byte outside the alphabet of a number refuses it.
 */
#include "checkdigit.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

static bool all_digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
	}
	return n > 0;
}

bool checkdigit_luhn(const char *s, size_t n)
{
	unsigned sum = 0;

	if (!all_digits(s, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned d = s[n - 1 - i] - '0';

		d <<= i & 1;
		sum += d > 9 ? d - 9 : d;
	}
	return sum % 10 == 0;
}

/* Multiplication in the dihedral group D5, and the permutation by position. */
bool checkdigit_verhoeff(const char *s, size_t n)
{
	static const uint8_t mul[10][10] = {
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5},
		{2, 3, 4, 0, 1, 7, 8, 9, 5, 6}, {3, 4, 0, 1, 2, 8, 9, 5, 6, 7},
		{4, 0, 1, 2, 3, 9, 5, 6, 7, 8}, {5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
		{6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3},
		{8, 7, 6, 5, 9, 3, 2, 1, 0, 4}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
	};
	static const uint8_t turn[10] = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
	unsigned c = 0;

	if (!all_digits(s, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned d = s[n - 1 - i] - '0';

		for (size_t k = 0; k < i % 8; k++)
			d = turn[d];
		c = mul[c][d];
	}
	return c == 0;
}

unsigned checkdigit_mod97(const char *s, size_t n)
{
	unsigned r = 0;

	for (size_t i = 0; i < n; i++) {
		if (isdigit((unsigned char)s[i]))
			r = (r * 10 + (s[i] - '0')) % 97;
		else if (isupper((unsigned char)s[i]))
			r = (r * 100 + (s[i] - 'A' + 10)) % 97;
		else
			return 0; /* never a valid remainder */
	}
	return r;
}

size_t checkdigit_iban_length(const char *country)
{
	/* ISO 13616 registry: country and length. */
	static const char list[] =
		"AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 "
		"DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 "
		"GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 "
		"LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 "
		"PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 "
		"TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 ";

	for (size_t i = 0; list[i]; i += 5) {
		if (!memcmp(list + i, country, 2))
			return (list[i + 2] - '0') * 10 + list[i + 3] - '0';
	}
	return 0;
}

bool checkdigit_iban(const char *s, size_t n)
{
	char turned[36];

	if (n < 15 || n > 34 || n != checkdigit_iban_length(s) || !all_digits(s + 2, 2))
		return false;
	memcpy(turned, s + 4, n - 4);
	memcpy(turned + n - 4, s, 4);
	return checkdigit_mod97(turned, n) == 1;
}

/* First six digits from and to (inclusive, shorter ones filled up), and the lengths in use. */
static const struct issuer {
	uint32_t from, to;
	uint8_t min, max;
} issuers[] = {
	{300000, 305999, 14, 14},			    /* Diners Club */
	{309500, 309599, 14, 14}, {340000, 349999, 15, 15}, /* American Express */
	{352800, 358999, 16, 16},			    /* JCB */
	{360000, 369999, 14, 14}, {370000, 379999, 15, 15},
	{380000, 399999, 14, 14}, {400000, 499999, 16, 16}, /* Visa */
	{400000, 499999, 13, 13}, {400000, 499999, 19, 19},
	{510000, 559999, 16, 16},			    /* Mastercard */
	{222100, 272099, 16, 16}, {220000, 220499, 16, 19}, /* Mir */
	{500000, 509999, 16, 19},			    /* Maestro, RuPay, Elo, Verve */
	{560000, 589999, 16, 19}, {601100, 601199, 16, 19}, /* Discover */
	{620000, 629999, 16, 19},			    /* UnionPay */
	{630000, 639999, 16, 19}, {644000, 659999, 16, 19},
	{670000, 679999, 16, 19}, {606282, 606282, 16, 16}, /* Hipercard */
	{817200, 820199, 16, 16},			    /* RuPay */
};

bool checkdigit_card(const char *s, size_t n)
{
	uint32_t head = 0;
	bool issued = false;

	if (n < 13 || n > 19 || !all_digits(s, n))
		return false;
	for (size_t i = 0; i < 6; i++)
		head = head * 10 + (s[i] - '0');
	for (size_t i = 0; i < ARRAY_SIZE(issuers) && !issued; i++)
		issued = head >= issuers[i].from && head <= issuers[i].to && n >= issuers[i].min &&
			 n <= issuers[i].max;
	return issued && checkdigit_luhn(s, n);
}
