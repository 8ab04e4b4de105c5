/* SPDX-License-Identifier: BSD-3-Clause */
/* The bare guest, from the VM's side: put into RAM, and looked at there. */
#include "ref/guest/bare_guest.h"

#include "ref/guest/bare/mailbox.h"
#include "ref/guest/driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct bare_mailbox *mailbox_of(const struct guest_memory *memory)
{
	return (struct bare_mailbox *)(void *)(memory->hva + BARE_MAILBOX_GPA);
}

/* The work of each vCPU as it is after its first pass. */
static void put_works(struct bare_mailbox *mailbox, const struct guest_memory *memory,
		      const struct ref_vm_options *options, uint64_t nr_reserved)
{
	for (uint32_t i = 0; i < options->nr_vcpus; i++) {
		struct work_slice slice = work_slice_of(memory->size_bytes / GW_PAGE_BYTES, nr_reserved, options->fill,
							options->nr_vcpus, i);
		struct work *work = &mailbox->vcpus[i].works[0];

		work_init(work, memory->hva, &slice, options->seed, NULL);
		work_fill(work);
		work->ram = NULL; /* an address of this process is nothing to the guest */
	}
}

int bare_guest_load(const struct guest_memory *memory, const struct ref_vm_options *options, uint32_t nr_devices,
		    uint64_t tsc_khz, struct gw_error *e)
{
	struct bare_mailbox *mailbox = mailbox_of(memory);
	uint64_t areas_end = BARE_AREAS_GPA + (uint64_t)nr_devices * DRIVER_AREA_BYTES;

	if (options->nr_vcpus < 1 || options->nr_vcpus > BARE_MAX_VCPUS)
		return gw_error_set(e, -EINVAL, "guest", "the bare guest has 1 to %u vCPUs, not %u", BARE_MAX_VCPUS,
				    options->nr_vcpus);
	if (nr_devices > GW_MAX_DEVICES || memory->size_bytes < REF_VM_MIN_MEMORY_BYTES)
		return gw_error_set(e, -EINVAL, "guest", "%llu MiB are too little for it and %u devices",
				    (unsigned long long)(memory->size_bytes >> 20), nr_devices);
	memset(memory->hva + BARE_IMAGE_GPA, 0, areas_end - BARE_IMAGE_GPA);
	memcpy(memory->hva + BARE_IMAGE_GPA, bare_image, (size_t)(bare_image_end - bare_image));
	put_works(mailbox, memory, options, areas_end / GW_PAGE_BYTES);
	integrity_init(&mailbox->integrity);
	mailbox->parameters = (struct bare_parameters){
		.magic = BARE_MAGIC,
		.memory_bytes = memory->size_bytes,
		.seed = options->seed,
		.dirty_bytes_per_s = options->dirty_bytes_per_s,
		.tsc_khz = tsc_khz,
		.nr_vcpus = options->nr_vcpus,
		.nr_devices = nr_devices,
	};
	return 0;
}

/* A copy, bounded: the guest may write to the mailbox while it is taken, and may have written anything. */
static void look(const struct guest_memory *memory, struct bare_mailbox *copy)
{
	memcpy(copy, mailbox_of(memory), sizeof(*copy));
	if (copy->parameters.magic != BARE_MAGIC || copy->parameters.nr_vcpus > BARE_MAX_VCPUS)
		*copy = (struct bare_mailbox){ .parameters = { .magic = 0 } };
	copy->integrity.first_error[INTEGRITY_TEXT_BYTES - 1] = '\0';
	for (char *at = copy->integrity.first_error; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
}

static const struct work *work_of(const struct bare_vcpu *vcpu)
{
	return &vcpu->works[vcpu->nr_steps % 2];
}

void bare_guest_arrived(const struct guest_memory *memory)
{
	mailbox_of(memory)->moves++;
}

static void check_work(const struct guest_memory *memory, const struct bare_vcpu *vcpu, uint32_t index,
		       struct integrity *found)
{
	struct work work = *work_of(vcpu);

	if (work_adopt(&work, memory->hva, memory->size_bytes / GW_PAGE_BYTES, found))
		integrity_fail(found, "vCPU %u: what it says of its work makes no sense", index);
	else
		work_check_in_step(&work);
}

void bare_guest_check(const struct guest_memory *memory, uint64_t *errors, char first_error[GUEST_ERROR_BYTES])
{
	struct bare_mailbox copy;
	struct integrity found;

	look(memory, &copy);
	integrity_init(&found);
	if (!copy.parameters.nr_vcpus)
		integrity_fail(&found, "the bare guest's mailbox makes no sense");
	for (uint32_t i = 0; i < copy.parameters.nr_vcpus; i++)
		check_work(memory, &copy.vcpus[i], i, &found);
	if (!*errors && found.errors)
		snprintf(first_error, GUEST_ERROR_BYTES, "%s", found.first_error);
	*errors += found.errors;
}

static void add_vcpu(const struct bare_mailbox *copy, const struct bare_vcpu *vcpu, struct guest_counters *counters)
{
	const struct work *work = work_of(vcpu);

	counters->pages_written += work->pages_written;
	counters->pages_checked += work->pages_checked;
	counters->operations += vcpu->operations;
	counters->stamps += vcpu->stamps;
	counters->timer_interrupts += vcpu->timer_interrupts;
	if (vcpu->moves == copy->moves && vcpu->largest_pause_ns > counters->largest_pause_ns)
		counters->largest_pause_ns = vcpu->largest_pause_ns;
}

void bare_guest_counters(const struct guest_memory *memory, struct guest_counters *counters)
{
	struct bare_mailbox copy;

	look(memory, &copy);
	*counters = (struct guest_counters){ .errors = copy.integrity.errors, .nr_vcpus = copy.parameters.nr_vcpus };
	snprintf(counters->first_error, sizeof(counters->first_error), "%s", copy.integrity.first_error);
	for (uint32_t i = 0; i < copy.parameters.nr_vcpus; i++)
		add_vcpu(&copy, &copy.vcpus[i], counters);
}

const char *bare_guest_driver(const struct gw_device_info *info)
{
	const struct driver_ops *driver = driver_find(info);

	return driver ? driver->name : "";
}

int bare_guest_order(const struct guest_memory *memory, const char *kind, struct gw_error *e)
{
	uint64_t order;

	if (!strcmp(kind, "triple-fault"))
		order = BARE_ORDER_TRIPLE_FAULT;
	else if (!strcmp(kind, "internal-error"))
		order = BARE_ORDER_INTERNAL_ERROR;
	else
		return gw_error_set(e, -EINVAL, "guest", "it knows no order \"%s\"", kind);
	__atomic_store_n(&mailbox_of(memory)->order, order, __ATOMIC_RELEASE);
	return 0;
}
