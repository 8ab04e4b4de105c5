/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where interrupts come from in the bare guest: MSI-X or a line, each of them a vector of the vCPU that owns the
 * device.
 */
#include "ref/guest/interrupts.h"

#include "ref/board/board.h"
#include "ref/guest/bare/idt.h"
#include "ref/guest/bare/lapic.h"
#include "ref/guest/bare/pci.h"

int interrupts_open(struct interrupts *interrupts, struct gw_device *dev, uint32_t nr, struct gw_error *e)
{
	int ret = 0;

	*interrupts = (struct interrupts){ .nr = 0 };
	for (; ret >= 0 && interrupts->nr < nr; interrupts->nr++) {
		ret = idt_take();
		interrupts->sources[interrupts->nr] = ret;
	}
	if (ret >= 0)
		ret = bare_pci_enable_msix(dev, nr, interrupts->sources);
	return ret < 0 ? gw_error_set(e, ret, dev->id, "its interrupts could not be bound") : 0;
}

/* Devices may share a line, but then nobody can say how many interrupts were whose: the second one does without. */
int interrupts_open_line(struct interrupts *interrupts, struct gw_device *dev, struct gw_error *e)
{
	static uint32_t taken;
	uint32_t line = BOARD_INTX_GSI(dev->number);
	int vector;

	*interrupts = (struct interrupts){ .nr = 0 };
	if (taken & 1u << line)
		return 0;
	vector = idt_take();
	if (vector < 0)
		return gw_error_set(e, vector, dev->id, "there is no vector left for its line");
	taken |= 1u << line;
	interrupts->sources[interrupts->nr++] = vector;
	ioapic_bind(line, dev->apic_id, (uint8_t)vector);
	return 0;
}

/* A driver is never closed here. */
void interrupts_close(struct interrupts *interrupts)
{
	interrupts->nr = 0;
}

void interrupts_collect(struct interrupts *interrupts)
{
	for (uint32_t i = 0; i < interrupts->nr; i++)
		interrupts->pending[i] += idt_collect(interrupts->sources[i]);
}
