/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference VM's MP table, read as a kernel reads it. */
#include "ref/board/board.h"
#include "ref/board/boot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* It adds up to 0. */
static void assert_sum(const uint8_t *at, size_t size_bytes)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < size_bytes; i++)
		sum = (uint8_t)(sum + at[i]);
	assert_int_equal(sum, 0);
}

static uint32_t u32_at(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* What a kernel finds in an MP table, by offsets of the specification. */
struct found {
	uint32_t nr_cpus, nr_buses, nr_ioapics, nr_isa, nr_pci, nr_local;
	uint8_t ioapic_id;
	uint8_t isa_pin[16];
	uint8_t pci_pin[32];
	uint8_t local[4][2]; /* kind, LINT */
};

static void find_cpu(struct found *found, const uint8_t *at)
{
	assert_int_equal(at[1], found->nr_cpus); /* APIC ids from 0 */
	assert_int_equal(at[3], found->nr_cpus ? 1 : 3);
	found->nr_cpus++;
}

static void find_interrupt(struct found *found, const uint8_t *at)
{
	assert_int_equal(at[1], 0);
	assert_int_equal(at[2] | at[3], 0);
	assert_int_equal(at[6], found->ioapic_id);
	if (at[4] == 1) {
		assert_in_range(at[5], 0, 15);
		found->isa_pin[at[5]] = at[7];
		found->nr_isa++;
		return;
	}
	assert_int_equal(at[4], 0);
	assert_int_equal(at[5] & 3, 0);
	assert_in_range(at[5] >> 2, 1, 31);
	found->pci_pin[at[5] >> 2] = at[7];
	found->nr_pci++;
}

static const uint8_t *find_entry(struct found *found, const uint8_t *at)
{
	switch (at[0]) {
	case 0:
		find_cpu(found, at);
		return at + 20;
	case 1:
		assert_int_equal(at[1], found->nr_buses);
		assert_memory_equal(at + 2, found->nr_buses ? "ISA   " : "PCI   ", 6);
		found->nr_buses++;
		return at + 8;
	case 2:
		assert_int_equal(at[3], 1);
		assert_int_equal(u32_at(at + 4), 0xfec00000);
		found->ioapic_id = at[1];
		found->nr_ioapics++;
		return at + 8;
	case 3:
		find_interrupt(found, at);
		return at + 8;
	case 4:
		assert_in_range(found->nr_local, 0, 3);
		found->local[found->nr_local][0] = at[1];
		found->local[found->nr_local++][1] = at[7];
		return at + 8;
	}
	fail_msg("entry of type %u", at[0]);
	return NULL;
}

static struct found parse_mp_table(const uint8_t *at)
{
	const uint8_t *table = at + 16, *next = table + 44;
	struct found found = { 0 };
	uint32_t length = table[4] | (uint32_t)table[5] << 8, nr = table[34] | (uint32_t)table[35] << 8;

	assert_memory_equal(at, "_MP_", 4);
	assert_int_equal(u32_at(at + 4), MP_TABLE_GPA + 16);
	assert_int_equal(at[8], 1);
	assert_int_equal(at[9], 4);
	assert_sum(at, 16);
	assert_memory_equal(table, "PCMP", 4);
	assert_int_equal(table[6], 4);
	assert_sum(table, length);
	assert_int_equal(u32_at(table + 36), 0xfee00000);
	for (uint32_t i = 0; i < nr; i++)
		next = find_entry(&found, next);
	assert_ptr_equal(next, table + length);
	return found;
}

static void check_mp_table(uint32_t nr_vcpus, uint32_t nr_devices)
{
	uint8_t buf[MP_TABLE_BYTES + 1];
	struct found found;

	memset(buf, 0xee, sizeof(buf));
	mp_table_write(buf, nr_vcpus, nr_devices);
	assert_int_equal(buf[MP_TABLE_BYTES], 0xee);
	found = parse_mp_table(buf);
	assert_int_equal(found.nr_cpus, nr_vcpus);
	assert_int_equal(found.nr_buses, 2);
	assert_int_equal(found.nr_ioapics, 1);
	assert_int_equal(found.ioapic_id, nr_vcpus);
	assert_int_equal(found.nr_isa, 15);
	for (uint32_t irq = 0; irq < 16; irq++)
		assert_int_equal(found.isa_pin[irq], irq == 0 ? 2 : irq == 2 ? 0 : irq);
	assert_int_equal(found.nr_pci, nr_devices < 31 ? nr_devices : 31);
	for (uint32_t d = 1; d <= found.nr_pci; d++)
		assert_int_equal(found.pci_pin[d], BOARD_INTX_GSI(d));
	assert_int_equal(found.nr_local, 2);
	assert_int_equal(found.local[0][0], 3); /* ExtINT at LINT0 */
	assert_int_equal(found.local[0][1], 0);
	assert_int_equal(found.local[1][0], 1); /* NMI at LINT1 */
	assert_int_equal(found.local[1][1], 1);
}

static void test_mp_table(void **state)
{
	check_mp_table(1, 0);
	check_mp_table(2, 3);
	check_mp_table(MP_TABLE_MAX_VCPUS, GW_MAX_DEVICES);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_mp_table) };

	return cmocka_run_group_tests_name("refvm_mp_table", tests, NULL, NULL);
}
