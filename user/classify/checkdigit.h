/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check digits of payment and identity numbers. Input: the number with its separators taken out,
 * upper case, n characters; each function knows its own length and refuses any other. PURE.
 */
#ifndef PROBITY_CLASSIFY_CHECKDIGIT_H
#define PROBITY_CLASSIFY_CHECKDIGIT_H

#include <stdbool.h>
#include <stddef.h>

/* General algorithms. All characters must be digits. */
bool checkdigit_luhn(const char *s, size_t n);
bool checkdigit_verhoeff(const char *s, size_t n);
unsigned checkdigit_mod97(const char *s, size_t n); /* letters count as 10 to 35 (ISO 7064) */

/* Payment. iban: length by country and mod 97; card: issuer prefix, its lengths, Luhn. */
size_t checkdigit_iban_length(const char *country); /* 0 = no such country */
bool checkdigit_iban(const char *s, size_t n);
bool checkdigit_card(const char *s, size_t n);

typedef bool checkdigit_fn(const char *s, size_t n);

/* Identity numbers, by country. */
checkdigit_fn checkdigit_us_ssn;      /* no check digit: area, group and serial in use */
checkdigit_fn checkdigit_de_steuerid; /* Steuer-Identifikationsnummer */
checkdigit_fn checkdigit_fr_nir;      /* numéro de sécurité sociale with key */
checkdigit_fn checkdigit_es_dni;      /* DNI and NIE */
checkdigit_fn checkdigit_it_codice_fiscale;
checkdigit_fn checkdigit_nl_bsn;
checkdigit_fn checkdigit_be_nrn;
checkdigit_fn checkdigit_pl_pesel;
checkdigit_fn checkdigit_pt_nif;
checkdigit_fn checkdigit_se_personnummer; /* 10 or 12 digits */
checkdigit_fn checkdigit_fi_hetu;	  /* with its century sign: 11 characters */
checkdigit_fn checkdigit_no_fnr;
checkdigit_fn checkdigit_ch_ahv;
checkdigit_fn checkdigit_at_svnr;
checkdigit_fn checkdigit_gb_nhs;
checkdigit_fn checkdigit_br_cpf;
checkdigit_fn checkdigit_br_cnpj;
checkdigit_fn checkdigit_in_aadhaar;
checkdigit_fn checkdigit_cn_resident_id;
checkdigit_fn checkdigit_kr_rrn; /* those given out before October 2020; later ones are random */
checkdigit_fn checkdigit_tr_tckn;
checkdigit_fn checkdigit_au_tfn;
checkdigit_fn checkdigit_ca_sin;

#endif
