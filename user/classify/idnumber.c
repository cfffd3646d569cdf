/* SPDX-License-Identifier: Apache-2.0 */
/*
 * National identity, tax, health and social insurance numbers: true when the number could have
 * been given out (check digits right, date of birth possible, reserved ranges refused).
 *
 * A single decimal check digit lets one of ten random numbers pass, so for most of these the scan
 * (dataclass.c) demands official separators or a keyword nearby as well.
 */
#include "checkdigit.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

static bool digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
	}
	return true;
}

static unsigned number(const char *s, size_t n)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + (s[i] - '0');
	return v;
}

/* Weights are one character each, 'A' = 10; sum over strlen(weights) digits. */
static unsigned weighted(const char *s, const char *weights)
{
	unsigned sum = 0;

	for (size_t i = 0; weights[i]; i++)
		sum += (s[i] - '0') * (isdigit((unsigned char)weights[i]) ? weights[i] - '0'
									  : weights[i] - 'A' + 10);
	return sum;
}

static bool all_same(const char *s, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (s[i] != s[0])
			return false;
	}
	return true;
}

/* Leap years are not told apart: the century is often unknown. */
static bool date(unsigned month, unsigned day)
{
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
}

bool checkdigit_us_ssn(const char *s, size_t n)
{
	unsigned area = n == 9 && digits(s, 9) ? number(s, 3) : 0;

	return area && area != 666 && area < 900 && number(s + 3, 2) && number(s + 5, 4) &&
	       /* Printed on a wallet insert and in advertisements: nobody's. */
	       memcmp(s, "078051120", 9) && memcmp(s, "219099999", 9) && memcmp(s, "123456789", 9);
}

/* ISO 7064 mod 11,10; of the first ten digits one comes twice or three times. */
bool checkdigit_de_steuerid(const char *s, size_t n)
{
	unsigned p = 10, count[10] = {0}, twice = 0, thrice = 0;

	if (n != 11 || !digits(s, n) || s[0] == '0')
		return false;
	for (size_t i = 0; i < 10; i++) {
		unsigned d = s[i] - '0';

		count[d]++;
		p = (p + d) % 10;
		p = (p ? p : 10) * 2 % 11;
	}
	for (size_t d = 0; d < 10; d++) {
		twice += count[d] == 2;
		thrice += count[d] == 3;
		if (count[d] > 3)
			return false;
	}
	return twice + thrice == 1 && (11 - p) % 10 == (unsigned)(s[10] - '0');
}

bool checkdigit_fr_nir(const char *s, size_t n)
{
	char t[15];
	uint64_t v = 0;
	unsigned month, corsica = 0;

	if (n != 15)
		return false;
	memcpy(t, s, 15);
	if (t[5] == '2' && (t[6] == 'A' || t[6] == 'B')) {
		corsica = t[6] == 'A' ? 1000000 : 2000000;
		t[6] = '0';
	}
	if (!digits(t, 15) || !strchr("123478", t[0]))
		return false;
	/* 20 to 42 and 50 to 99: month of birth unknown. */
	month = number(t + 3, 2);
	if (month == 0 || (month > 12 && month < 20) || (month > 42 && month < 50))
		return false;
	for (size_t i = 0; i < 13; i++)
		v = v * 10 + (t[i] - '0');
	return 97 - (v - corsica) % 97 == number(t + 13, 2);
}

bool checkdigit_es_dni(const char *s, size_t n)
{
	char t[9];

	if (n != 9)
		return false;
	memcpy(t, s, 9);
	if (t[0] >= 'X' && t[0] <= 'Z')
		t[0] = t[0] - 'X' + '0';
	return digits(t, 8) && !all_same(t, 8) &&
	       t[8] == "TRWAGMYFPDXBNJZSQVHLCKE"[number(t, 8) % 23];
}

/* Letters stand in for digits where two people would share a code ("omocodia"). */
static int codice_digit(char c)
{
	const char *letters = "LMNPQRSTUV", *p = c ? strchr(letters, c) : NULL;

	return isdigit((unsigned char)c) ? c - '0' : p ? p - letters : -1;
}

bool checkdigit_it_codice_fiscale(const char *s, size_t n)
{
	static const uint8_t odd[26] = {1,  0,	5, 7, 9, 13, 15, 17, 19, 21, 2,	 4,  18,
					20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
	static const uint8_t at[] = {6, 7, 9, 10, 12, 13, 14};
	unsigned sum = 0;
	int day;

	if (n != 16 || !strchr("ABCDEHLMPRST", s[8]))
		return false;
	for (size_t i = 0; i < sizeof(at); i++) {
		if (codice_digit(s[at[i]]) < 0)
			return false;
	}
	day = codice_digit(s[9]) * 10 + codice_digit(s[10]);
	if (!(day >= 1 && day <= 31) && !(day >= 41 && day <= 71))
		return false;
	for (size_t i = 0; i < 15; i++) {
		unsigned v = isdigit((unsigned char)s[i]) ? s[i] - '0' : s[i] - 'A';

		if (v > 25 || (i < 6 && !isupper((unsigned char)s[i])))
			return false;
		sum += i % 2 ? v : odd[v];
	}
	return s[15] == (char)('A' + sum % 26);
}

bool checkdigit_nl_bsn(const char *s, size_t n)
{
	return n == 9 && digits(s, 9) && !all_same(s, 9) &&
	       (weighted(s, "98765432") + 10 * 11 - (s[8] - '0')) % 11 == 0;
}

bool checkdigit_be_nrn(const char *s, size_t n)
{
	unsigned key, body;

	if (n != 11 || !digits(s, n))
		return false;
	/* Month + 20 or + 40: a register number of someone not resident. */
	if (!date(number(s + 2, 2) % 20, number(s + 4, 2)) && memcmp(s + 2, "0000", 4))
		return false;
	body = number(s, 9);
	key = number(s + 9, 2);
	return key == 97 - body % 97 || key == 97 - (2000000000u + body) % 97;
}

bool checkdigit_pl_pesel(const char *s, size_t n)
{
	return n == 11 && digits(s, n) && date(number(s + 2, 2) % 20, number(s + 4, 2)) &&
	       (weighted(s, "1379137913") + (s[10] - '0')) % 10 == 0;
}

bool checkdigit_pt_nif(const char *s, size_t n)
{
	unsigned r;

	if (n != 9 || !digits(s, n) || !strchr("1235689", s[0]))
		return false;
	r = weighted(s, "98765432") % 11;
	return (r < 2 ? 0 : 11 - r) == (unsigned)(s[8] - '0');
}

bool checkdigit_se_personnummer(const char *s, size_t n)
{
	unsigned day;

	if (n == 12) {
		if (!digits(s, 2) || number(s, 2) < 18 || number(s, 2) > 20)
			return false;
		s += 2;
		n = 10;
	}
	if (n != 10 || !digits(s, n))
		return false;
	day = number(s + 4, 2); /* + 60: samordningsnummer */
	return date(number(s + 2, 2), day > 60 ? day - 60 : day) && checkdigit_luhn(s, 10);
}

bool checkdigit_fi_hetu(const char *s, size_t n)
{
	char t[9];

	if (n != 11 || !strchr("+-ABCDEFUVWXY", s[6]))
		return false;
	memcpy(t, s, 6);
	memcpy(t + 6, s + 7, 3);
	return digits(t, 9) && date(number(t + 2, 2), number(t, 2)) && number(t + 6, 3) >= 2 &&
	       s[10] == "0123456789ABCDEFHJKLMNPRSTUVWXY"[number(t, 9) % 31];
}

bool checkdigit_no_fnr(const char *s, size_t n)
{
	unsigned day, month;

	if (n != 11 || !digits(s, n))
		return false;
	day = number(s, 2); /* + 40: D-nummer */
	month = number(s + 2, 2) % 40;
	return date(month, day > 40 ? day - 40 : day) &&
	       (weighted(s, "376189452") + (s[9] - '0')) % 11 == 0 &&
	       (weighted(s, "5432765432") + (s[10] - '0')) % 11 == 0;
}

bool checkdigit_ch_ahv(const char *s, size_t n)
{
	return n == 13 && digits(s, n) && !memcmp(s, "756", 3) &&
	       weighted(s, "1313131313131") % 10 == 0;
}

bool checkdigit_at_svnr(const char *s, size_t n)
{
	/* Month 13 and up: date of birth unknown or its numbers used up. */
	return n == 10 && digits(s, n) && s[0] != '0' &&
	       (date(number(s + 6, 2), number(s + 4, 2)) || number(s + 6, 2) == 13) &&
	       weighted(s, "3790584216") % 11 == (unsigned)(s[3] - '0');
}

bool checkdigit_gb_nhs(const char *s, size_t n)
{
	return n == 10 && digits(s, n) && !all_same(s, 10) &&
	       (weighted(s, "A98765432") + (s[9] - '0')) % 11 == 0;
}

/* Brazil: two check digits, each 11 - sum mod 11, over ten as 0. */
static bool brazil(const char *s, const char *first, const char *second)
{
	unsigned a = 11 - weighted(s, first) % 11, b = 11 - weighted(s, second) % 11;
	size_t n = strlen(first);

	return (a > 9 ? 0 : a) == (unsigned)(s[n] - '0') &&
	       (b > 9 ? 0 : b) == (unsigned)(s[n + 1] - '0');
}

bool checkdigit_br_cpf(const char *s, size_t n)
{
	return n == 11 && digits(s, n) && !all_same(s, 11) && brazil(s, "A98765432", "BA98765432");
}

bool checkdigit_br_cnpj(const char *s, size_t n)
{
	return n == 14 && digits(s, n) && !all_same(s, 14) &&
	       brazil(s, "543298765432", "6543298765432");
}

bool checkdigit_in_aadhaar(const char *s, size_t n)
{
	return n == 12 && digits(s, n) && s[0] > '1' && !all_same(s, 12) &&
	       checkdigit_verhoeff(s, n);
}

bool checkdigit_cn_resident_id(const char *s, size_t n)
{
	/* First two digits: province. */
	static const char provinces[] = "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 "
					"45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 ";
	unsigned year;
	bool province = false;

	if (n != 18 || !digits(s, 17))
		return false;
	for (size_t i = 0; provinces[i]; i += 3)
		province = province || !memcmp(provinces + i, s, 2);
	year = number(s + 6, 4);
	return province && year >= 1880 && year <= 2099 &&
	       date(number(s + 10, 2), number(s + 12, 2)) &&
	       s[17] == "10X98765432"[weighted(s, "79A584216379A5842") % 11];
}

bool checkdigit_kr_rrn(const char *s, size_t n)
{
	return n == 13 && digits(s, n) && date(number(s + 2, 2), number(s + 4, 2)) &&
	       (11 - weighted(s, "234567892345") % 11) % 10 == (unsigned)(s[12] - '0');
}

bool checkdigit_tr_tckn(const char *s, size_t n)
{
	unsigned odd, even;

	if (n != 11 || !digits(s, n) || s[0] == '0')
		return false;
	odd = weighted(s, "101010101");
	even = weighted(s, "01010101");
	return (odd * 7 + 10 * 10 - even) % 10 == (unsigned)(s[9] - '0') &&
	       weighted(s, "1111111111") % 10 == (unsigned)(s[10] - '0');
}

bool checkdigit_au_tfn(const char *s, size_t n)
{
	return n == 9 && digits(s, n) && !all_same(s, 9) && weighted(s, "14375869A") % 11 == 0;
}

bool checkdigit_ca_sin(const char *s, size_t n)
{
	return n == 9 && digits(s, n) && s[0] != '0' && s[0] != '8' && !all_same(s, 9) &&
	       checkdigit_luhn(s, 9);
}
