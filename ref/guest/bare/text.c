/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text for who has no C library: as much of vsnprintf as the guest's sentences use, which is %s, %c, %d, %u and %x with
 * l and ll, and a width, of zeros or spaces; any other letter stands for itself.
 */
#include <godwit/error.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#define DIGITS_MAX 20

struct text {
	char *at;
	size_t left_bytes; /* with the end's */
	int length;        /* that it has, or would have */
};

static void put(struct text *text, char c)
{
	text->length++;
	if (text->left_bytes < 2)
		return;
	*text->at++ = c;
	text->left_bytes--;
}

static void put_string(struct text *text, const char *string)
{
	while (*string)
		put(text, *string++);
}

static void put_number(struct text *text, uint64_t value, unsigned base, unsigned width, char fill)
{
	char digits[DIGITS_MAX];
	unsigned nr = 0;

	do
		digits[nr++] = "0123456789abcdef"[value % base];
	while ((value /= base));
	for (; width > nr; width--)
		put(text, fill);
	while (nr)
		put(text, digits[--nr]);
}

static void put_signed(struct text *text, int64_t value, unsigned width, char fill)
{
	if (value < 0)
		put(text, '-');
	put_number(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, width, fill);
}

struct conversion {
	char fill;
	unsigned width;
	int is_long;
	char kind;
};

static const char *parse(const char *format, struct conversion *c)
{
	*c = (struct conversion){ .fill = ' ' };
	if (*format == '0')
		c->fill = *format++;
	for (; *format >= '0' && *format <= '9'; format++)
		c->width = c->width * 10 + (unsigned)(*format - '0');
	for (; *format == 'l'; format++)
		c->is_long = 1;
	c->kind = *format;
	return *format ? format + 1 : format;
}

int vsnprintf(char *buf, size_t size_bytes, const char *format, va_list args)
{
	struct text text = { .at = buf, .left_bytes = size_bytes };
	struct conversion c;

	while (*format) {
		if (*format != '%') {
			put(&text, *format++);
			continue;
		}
		format = parse(format + 1, &c);
		if (c.kind == 's')
			put_string(&text, va_arg(args, const char *));
		else if (c.kind == 'c')
			put(&text, (char)va_arg(args, int));
		else if (c.kind == 'd')
			put_signed(&text, c.is_long ? va_arg(args, long) : va_arg(args, int), c.width, c.fill);
		else if (c.kind == 'u' || c.kind == 'x')
			put_number(&text, c.is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned),
				   c.kind == 'u' ? 10 : 16, c.width, c.fill);
		else if (c.kind)
			put(&text, c.kind);
	}
	if (size_bytes)
		*text.at = '\0';
	return text.length;
}

int snprintf(char *buf, size_t size_bytes, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(buf, size_bytes, format, args);
	va_end(args);
	return length;
}

/* The library's, for drivers that know no other place for what failed. */
int gw_error_set(struct gw_error *e, int code, const char *where, const char *format, ...)
{
	va_list args;

	if (!e || e->code)
		return code;
	e->code = code;
	snprintf(e->where, sizeof(e->where), "%s", where ? where : "");
	va_start(args, format);
	vsnprintf(e->what, sizeof(e->what), format, args);
	va_end(args);
	return code;
}
