/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MP table: a pointer that the kernel finds by its signature, and after it the table. Intel MultiProcessor
 * Specification 1.4, chapter 4. IRQs are wired as KVM's controllers are (ref/board/routes.h).
 */
#include "ref/board/board.h"
#include "ref/board/boot.h"

#include <string.h>

#define REVISION   4 /* 1.4 */
#define LAPIC_GPA  0xfee00000u
#define IOAPIC_GPA 0xfec00000u

#define LAPIC_VERSION  0x14
#define IOAPIC_VERSION 0x11
#define CPU_SIGNATURE  0x600 /* family 6; who wants to know more asks CPUID */
#define CPU_FEATURES   0x201 /* FPU, APIC */

#define CPU_ENABLED   1
#define CPU_BOOTS     2
#define IOAPIC_USABLE 1

#define NR_ISA_IRQS     16
#define ISA_IRQ_CASCADE 2 /* of the PICs: nobody else's */
#define TIMER_PIN       2

/* The kernel takes a PCI bus by its number for the one of its table. */
enum { BUS_PCI, BUS_ISA };

enum { ENTRY_CPU, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_IO_INT, ENTRY_LOCAL_INT };

enum { INT_VECTORED, INT_NMI, INT_SMI, INT_EXTERNAL };

#define LINT_ALL_APICS 0xff

struct mp_pointer {
	char signature[4];
	uint32_t table_gpa;
	uint8_t length; /* in 16 bytes */
	uint8_t revision;
	uint8_t checksum;
	uint8_t features[5]; /* 0: there is a table; the PICs are connected until the kernel says otherwise */
} __attribute__((packed));

struct mp_header {
	char signature[4];
	uint16_t length_bytes; /* with this header */
	uint8_t revision;
	uint8_t checksum;
	char oem[8];
	char product[12];
	uint32_t oem_table_gpa;
	uint16_t oem_table_bytes;
	uint16_t nr_entries;
	uint32_t lapic_gpa;
	uint16_t extended_bytes;
	uint8_t extended_checksum;
	uint8_t reserved;
} __attribute__((packed));

struct mp_cpu {
	uint8_t type;
	uint8_t apic_id;
	uint8_t apic_version;
	uint8_t flags;
	uint32_t signature;
	uint32_t features;
	uint32_t reserved[2];
} __attribute__((packed));

struct mp_bus {
	uint8_t type;
	uint8_t id;
	char name[6];
} __attribute__((packed));

struct mp_ioapic {
	uint8_t type;
	uint8_t id;
	uint8_t version;
	uint8_t flags;
	uint32_t gpa;
} __attribute__((packed));

/* Of an IOAPIC's pin or an APIC's LINT. flags 0: polarity and trigger as the bus has them. */
struct mp_interrupt {
	uint8_t type;
	uint8_t kind;
	uint16_t flags;
	uint8_t bus;
	uint8_t irq; /* on a PCI bus: device * 4, + 0 for INTA */
	uint8_t to_apic;
	uint8_t to_pin;
} __attribute__((packed));

#define POINTER_BYTES (uint32_t)sizeof(struct mp_pointer)

_Static_assert(POINTER_BYTES == 16 && sizeof(struct mp_header) == 44 && sizeof(struct mp_cpu) == 20 &&
		       sizeof(struct mp_bus) == 8 && sizeof(struct mp_ioapic) == 8 && sizeof(struct mp_interrupt) == 8,
	       "as the specification has them");
_Static_assert(POINTER_BYTES + sizeof(struct mp_header) + MP_TABLE_MAX_VCPUS * sizeof(struct mp_cpu) +
			       2 * sizeof(struct mp_bus) + sizeof(struct mp_ioapic) +
			       (NR_ISA_IRQS - 1 + MP_TABLE_MAX_DEVICES + 2) * sizeof(struct mp_interrupt) <=
		       MP_TABLE_BYTES,
	       "the largest table has room");

struct table {
	uint8_t *at;
	uint16_t used_bytes;
	uint16_t nr_entries;
};

static void add(struct table *table, const void *entry, size_t size_bytes)
{
	memcpy(table->at + table->used_bytes, entry, size_bytes);
	table->used_bytes += (uint16_t)size_bytes;
	table->nr_entries++;
}

static void add_cpus(struct table *table, uint32_t nr_vcpus)
{
	for (uint32_t i = 0; i < nr_vcpus; i++) {
		struct mp_cpu cpu = {
			.type = ENTRY_CPU,
			.apic_id = (uint8_t)i,
			.apic_version = LAPIC_VERSION,
			.flags = CPU_ENABLED | (i ? 0 : CPU_BOOTS),
			.signature = CPU_SIGNATURE,
			.features = CPU_FEATURES,
		};

		add(table, &cpu, sizeof(cpu));
	}
}

static void add_buses(struct table *table)
{
	struct mp_bus pci = { ENTRY_BUS, BUS_PCI, "PCI   " };
	struct mp_bus isa = { ENTRY_BUS, BUS_ISA, "ISA   " };

	add(table, &pci, sizeof(pci));
	add(table, &isa, sizeof(isa));
}

static void add_ioapic(struct table *table, uint8_t id)
{
	struct mp_ioapic ioapic = { ENTRY_IOAPIC, id, IOAPIC_VERSION, IOAPIC_USABLE, IOAPIC_GPA };

	add(table, &ioapic, sizeof(ioapic));
}

static void add_interrupt(struct table *table, uint8_t bus, uint32_t irq, uint8_t ioapic, uint32_t pin)
{
	struct mp_interrupt line = {
		.type = ENTRY_IO_INT,
		.kind = INT_VECTORED,
		.bus = bus,
		.irq = (uint8_t)irq,
		.to_apic = ioapic,
		.to_pin = (uint8_t)pin,
	};

	add(table, &line, sizeof(line));
}

static void add_interrupts(struct table *table, uint8_t ioapic, uint32_t nr_devices)
{
	for (uint32_t irq = 0; irq < NR_ISA_IRQS; irq++) {
		if (irq != ISA_IRQ_CASCADE)
			add_interrupt(table, BUS_ISA, irq, ioapic, irq ? irq : TIMER_PIN);
	}
	for (uint32_t device = 1; device <= nr_devices; device++)
		add_interrupt(table, BUS_PCI, device << 2, ioapic, BOARD_INTX_GSI(device));
}

/* The PICs are at the LINT0 of the first vCPU, as after a reset. */
static void add_local_interrupts(struct table *table)
{
	struct mp_interrupt pics = { .type = ENTRY_LOCAL_INT, .kind = INT_EXTERNAL, .bus = BUS_ISA };
	struct mp_interrupt nmi = {
		.type = ENTRY_LOCAL_INT, .kind = INT_NMI, .bus = BUS_ISA, .to_apic = LINT_ALL_APICS, .to_pin = 1
	};

	add(table, &pics, sizeof(pics));
	add(table, &nmi, sizeof(nmi));
}

/* What is missing for all the bytes to add up to 0. */
static uint8_t checksum(const uint8_t *at, size_t size_bytes)
{
	uint8_t sum = 0;

	while (size_bytes--)
		sum = (uint8_t)(sum + *at++);
	return (uint8_t)-sum;
}

void mp_table_write(uint8_t *at, uint32_t nr_vcpus, uint32_t nr_devices)
{
	struct mp_pointer pointer = {
		.signature = "_MP_", .table_gpa = MP_TABLE_GPA + POINTER_BYTES, .length = 1, .revision = REVISION
	};
	struct mp_header header = { .signature = "PCMP",
				    .revision = REVISION,
				    .oem = "GODWIT  ",
				    .product = "REFERENCE VM",
				    .lapic_gpa = LAPIC_GPA };
	struct table table = { .at = at + POINTER_BYTES, .used_bytes = sizeof(header) };
	uint8_t ioapic = (uint8_t)nr_vcpus; /* an APIC id nobody has */

	add_cpus(&table, nr_vcpus);
	add_buses(&table);
	add_ioapic(&table, ioapic);
	add_interrupts(&table, ioapic, nr_devices < MP_TABLE_MAX_DEVICES ? nr_devices : MP_TABLE_MAX_DEVICES);
	add_local_interrupts(&table);

	header.length_bytes = table.used_bytes;
	header.nr_entries = table.nr_entries;
	memcpy(table.at, &header, sizeof(header));
	header.checksum = checksum(table.at, table.used_bytes);
	memcpy(table.at, &header, sizeof(header));
	pointer.checksum = checksum((const uint8_t *)&pointer, sizeof(pointer));
	memcpy(at, &pointer, sizeof(pointer));
}
