/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mtty_uart URI fill|holds N: the first UART of a device of the kernel's mtty sample. "fill" leaves in it what
 * depends on N: a scratch register, a divisor, and bytes unread in its FIFO; "holds" looks whether they are there, and
 * reads them. mtty keeps its registers when it is closed.
 */
#include <godwit/device.h>
#include <linux/serial_reg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NR_UNREAD 5

struct uart {
	struct gw_device *dev;
	uint8_t n;
	struct gw_error e;
};

static bool put(struct uart *u, uint64_t reg, uint8_t value)
{
	return gw_device_region_write(u->dev, GW_REGION_BAR0, reg, &value, 1, &u->e) == 1;
}

static bool holds(struct uart *u, const char *what, uint64_t reg, uint8_t expected)
{
	uint8_t value = 0;

	if (gw_device_region_read(u->dev, GW_REGION_BAR0, reg, &value, 1, &u->e) != 1)
		return false;
	if (value == expected)
		return true;
	printf("%s is 0x%02x and should be 0x%02x\n", what, value, expected);
	return false;
}

static bool fill(struct uart *u)
{
	bool done = put(u, UART_IER, 0) && put(u, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8) && put(u, UART_DLL, u->n) &&
		    put(u, UART_DLM, 0) && put(u, UART_LCR, UART_LCR_WLEN8) &&
		    put(u, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT) &&
		    put(u, UART_MCR, UART_MCR_LOOP) && put(u, UART_SCR, (uint8_t)~u->n);

	for (uint8_t i = 0; i < NR_UNREAD && done; i++)
		done = put(u, UART_TX, (uint8_t)(u->n + i));
	return done;
}

static bool look(struct uart *u)
{
	bool same = holds(u, "the scratch register", UART_SCR, (uint8_t)~u->n) &&
		    holds(u, "line control", UART_LCR, UART_LCR_WLEN8) &&
		    holds(u, "modem control", UART_MCR, UART_MCR_LOOP);

	for (uint8_t i = 0; i < NR_UNREAD && same; i++)
		same = holds(u, "a byte in the FIFO", UART_RX, (uint8_t)(u->n + i));
	return same;
}

int main(int argc, char **argv)
{
	struct uart u = { .e = GW_ERROR_NONE };
	bool fine;

	if (argc != 4)
		return 2;
	u.n = (uint8_t)atoi(argv[3]);
	if (gw_device_open(&u.dev, "mtty", argv[1], &u.e)) {
		printf("%s: %s\n", u.e.where, u.e.what);
		return 1;
	}
	fine = strcmp(argv[2], "fill") ? look(&u) : fill(&u);
	if (u.e.code)
		printf("%s: %s\n", u.e.where, u.e.what);
	gw_device_close(u.dev);
	return fine ? 0 : 1;
}
