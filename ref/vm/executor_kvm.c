/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The executor with KVM: what of the VM is KVM's, the PC around it, and the guest on both, put together. A guest comes
 * as a blob of state that is looked through before anything of it is used; the head says what kind of VM it fits.
 */
#include "ref/board/board.h"
#include "ref/board/boot.h"
#include "ref/guest/bare_guest.h"
#include "ref/kvm/guest_state.h"
#include "ref/kvm/host_facts.h"
#include "ref/kvm/vcpu.h"
#include "ref/vm/executor.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define STATE_MAGIC   0x534d564bu /* "KVMS" */
#define STATE_VERSION 1
#define MAX_THROTTLE  99

static const char *const kind_names[] = { [GUEST_BARE] = "the bare guest", [GUEST_LINUX] = "a kernel" };

struct kvm {
	struct executor_config config;
	enum guest_kind kind;
	struct kvm_vm vm;
	struct vcpus *vcpus;
	struct host_facts *facts;
	struct board board;
	struct guest_state state;
	int has_state; /* the guest stands still, and this is its state */
	int has_come;  /* with it; its clock is yet to be set */
	_Atomic int has_guest;
	_Atomic int ordered; /* something by the mailbox, which no log of KVM's has seen */
	_Atomic uint32_t throttle_percent;
	pthread_mutex_t lock; /* of what checks have found */
	uint64_t check_errors;
	char check_error[GUEST_ERROR_BYTES];
};

static void kvm_close(void *ctx)
{
	struct kvm *kvm = ctx;

	if (!kvm)
		return;
	if (kvm->vcpus) {
		vcpus_pause(kvm->vcpus, NULL);
		kvm_vm_detach(&kvm->vm); /* no vCPU is in the log any more, and their fds are open still */
	}
	vcpus_close(kvm->vcpus);
	board_close(&kvm->board);
	host_facts_close(kvm->facts);
	guest_state_fini(&kvm->state);
	kvm_vm_close(&kvm->vm);
	pthread_mutex_destroy(&kvm->lock);
	free(kvm);
}

static int check_options(const struct ref_vm_options *options, enum guest_kind kind, struct gw_error *e)
{
	uint32_t most = kind == GUEST_BARE ? BARE_MAX_VCPUS : MP_TABLE_MAX_VCPUS;

	if (options->nr_vcpus > most)
		return gw_error_set(e, -EINVAL, "vCPUs", "%s on KVM has %u at most, not %u", kind_names[kind], most,
				    options->nr_vcpus);
	return 0;
}

static int open_board(struct kvm *kvm, struct gw_error *e)
{
	struct board_config config = {
		.vm = &kvm->vm,
		.devices = kvm->config.devices,
		.infos = kvm->config.infos,
		.nr_devices = kvm->config.nr_devices,
		.console_fd = kvm->config.options->console_fd,
	};

	return board_open(&kvm->board, &config, e);
}

/* The buses are the board's, and looked at by vCPUs that run: that comes later. */
static int open_parts(struct kvm *kvm, struct gw_error *e)
{
	const struct ref_vm_options *options = kvm->config.options;
	const struct guest_memory *memory = kvm->config.memory;
	struct vcpus_config vcpus = {
		.vm = &kvm->vm, .ports = &kvm->board.ports, .memory = &kvm->board.memory, .nr = options->nr_vcpus
	};
	uint32_t nr = options->nr_vcpus;
	int ret = check_options(options, kvm->kind, e);

	if (!ret)
		ret = kvm_vm_open(&kvm->vm, memory, options, e);
	if (!ret)
		ret = vcpus_open(&kvm->vcpus, &vcpus, e);
	if (!ret)
		ret = host_facts_open(&kvm->facts, &kvm->vm, vcpus_fds(kvm->vcpus), nr, options, e);
	if (!ret)
		ret = kvm_vm_attach(&kvm->vm, memory, vcpus_fds(kvm->vcpus), nr, e);
	if (!ret)
		ret = guest_state_init(&kvm->state, nr, e);
	return ret ? ret : open_board(kvm, e);
}

static int kvm_open(void **ctx, const struct executor_config *config, struct gw_error *e)
{
	struct kvm *kvm = calloc(1, sizeof(*kvm));
	int ret;

	if (!kvm)
		return gw_error_set(e, -ENOMEM, "guest", "no memory for it");
	kvm->config = *config;
	kvm->kind = config->options->kernel_path ? GUEST_LINUX : GUEST_BARE;
	kvm->vm = (struct kvm_vm)KVM_VM_CLOSED;
	pthread_mutex_init(&kvm->lock, NULL);
	ret = open_parts(kvm, e);
	if (ret)
		kvm_close(kvm);
	else
		*ctx = kvm;
	return ret;
}

static int kvm_boot(void *ctx, struct gw_error *e)
{
	struct kvm *kvm = ctx;
	struct boot boot = {
		.options = kvm->config.options,
		.memory = kvm->config.memory,
		.vcpu_fds = vcpus_fds(kvm->vcpus),
		.nr_vcpus = vcpus_nr(kvm->vcpus),
		.nr_devices = kvm->config.nr_devices,
		.tsc_khz = host_facts_tsc_khz(kvm->facts),
	};
	int ret = kvm->kind == GUEST_BARE ? boot_bare(&boot, e) : boot_linux(&boot, e);

	kvm->has_guest = !ret;
	return ret;
}

static int kvm_pause(void *ctx, struct gw_error *e)
{
	struct kvm *kvm = ctx;

	return vcpus_pause(kvm->vcpus, e);
}

static int set_clock(const struct kvm *kvm, struct gw_error *e)
{
	return guest_clock_write(&kvm->state.clock, kvm->vm.vm_fd, vcpus_fds(kvm->vcpus), vcpus_nr(kvm->vcpus), e);
}

/*
 * A guest that has come: its clock is set last, so that no time is lost between. One that only stood still needs none
 * of it, its clock went on.
 */
static int kvm_resume(void *ctx, struct gw_error *e)
{
	struct kvm *kvm = ctx;
	int ret = 0;

	if (vcpus_running(kvm->vcpus))
		return 0;
	if (kvm->has_come && kvm->kind == GUEST_BARE)
		bare_guest_arrived(kvm->config.memory);
	if (kvm->has_come)
		ret = set_clock(kvm, e);
	if (!ret)
		ret = board_release_interrupts(&kvm->board, e);
	if (!ret)
		ret = vcpus_resume(kvm->vcpus, e);
	if (!ret)
		kvm->has_come = kvm->has_state = 0;
	return ret;
}

static int kvm_throttle(void *ctx, uint32_t percent, struct gw_error *e)
{
	struct kvm *kvm = ctx;

	if (percent > MAX_THROTTLE)
		return gw_error_set(e, -EINVAL, "guest", "%u percent of the time to stand still is too much", percent);
	kvm->throttle_percent = percent;
	vcpus_throttle(kvm->vcpus, percent);
	return 0;
}

static int kvm_dirty_start(void *ctx, struct gw_error *e)
{
	struct kvm *kvm = ctx;

	return gw_kvm_log_start(kvm->vm.log, e);
}

/*
 * Once a round at least, so here is where a guest that has died ends a migration at the latest. KVM sees what vCPUs
 * write; an order is written by this process, to the mailbox's first page.
 */
static int kvm_dirty_sync(void *ctx, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	const uint64_t page = BARE_MAILBOX_GPA / GW_PAGE_BYTES;
	struct kvm *kvm = ctx;
	int ret = vcpus_failure(kvm->vcpus, e);

	if (!ret)
		ret = gw_kvm_log_sync(kvm->vm.log, block, bitmap, e);
	if (!ret && block == 0 && atomic_exchange(&kvm->ordered, 0))
		bitmap[page / 64] |= 1ull << page % 64;
	return ret;
}

static void kvm_dirty_stop(void *ctx)
{
	struct kvm *kvm = ctx;

	gw_kvm_log_stop(kvm->vm.log);
}

static void put_head(const struct kvm *kvm, struct blob_out *out)
{
	blob_put_u32(out, STATE_MAGIC);
	blob_put_u32(out, STATE_VERSION);
	blob_put_u32(out, kvm->kind);
	blob_put_u32(out, vcpus_nr(kvm->vcpus));
	blob_put_u32(out, kvm->config.nr_devices);
	blob_put_u64(out, kvm->config.memory->size_bytes);
}

/* What waits at a device's vector is the board's; no interrupt is on its way when the rest is read. */
static ssize_t kvm_save(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct blob_out out = { .buf = buf, .size_bytes = size_bytes };
	struct kvm *kvm = ctx;
	size_t begin;
	int ret = 0;

	board_hold_interrupts(&kvm->board);
	if (!kvm->has_state)
		ret = guest_state_read(&kvm->state, kvm->vm.vm_fd, vcpus_fds(kvm->vcpus), host_facts_msrs(kvm->facts),
				       e);
	if (ret)
		return ret;
	kvm->has_state = 1;
	put_head(kvm, &out);
	begin = blob_begin(&out);
	host_facts_encode(kvm->facts, &out);
	blob_end(&out, begin);
	begin = blob_begin(&out);
	guest_state_encode(&kvm->state, &out);
	blob_end(&out, begin);
	begin = blob_begin(&out);
	board_save(&kvm->board, &out);
	blob_end(&out, begin);
	return (ssize_t)out.used_bytes;
}

static int check_head(const struct kvm *kvm, struct blob_in *in, struct gw_error *e)
{
	uint32_t magic = blob_get_u32(in), version = blob_get_u32(in), kind = blob_get_u32(in);
	uint32_t nr_vcpus = blob_get_u32(in), nr_devices = blob_get_u32(in);
	uint64_t memory_bytes = blob_get_u64(in);

	if (in->bad || magic != STATE_MAGIC)
		return gw_error_set(e, -EBADMSG, "guest", "this is no state of a guest of KVM's");
	if (version != STATE_VERSION)
		return gw_error_set(e, -EBADMSG, "guest", "its state has version %u, known here is %u", version,
				    STATE_VERSION);
	if (kind != kvm->kind || nr_vcpus != vcpus_nr(kvm->vcpus) || nr_devices != kvm->config.nr_devices ||
	    memory_bytes != kvm->config.memory->size_bytes)
		return gw_error_set(e, -EBADMSG, "guest", "its state is that of another VM: of another kind or size");
	return 0;
}

/* Bytes that are no state are found before KVM is told anything. What KVM refuses is found here, and not by resume. */
static int kvm_load(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct blob_in in = { .at = buf, .left_bytes = size_bytes }, facts, state, board;
	struct kvm *kvm = ctx;
	const int *fds = vcpus_fds(kvm->vcpus);
	int ret = check_head(kvm, &in, e);

	if (ret)
		return ret;
	kvm->has_state = kvm->has_come = 0; /* of a guest that came before this one, and did not run */
	facts = blob_get_part(&in);
	state = blob_get_part(&in);
	board = blob_get_part(&in);
	if (!blob_ended(&in) || guest_state_decode(&kvm->state, &state) || !blob_ended(&state))
		return gw_error_set(e, -EBADMSG, "guest", "the state of its vCPUs and chips makes no sense");
	ret = host_facts_load(kvm->facts, &facts, fds, vcpus_nr(kvm->vcpus), e);
	if (!ret)
		ret = guest_state_write(&kvm->state, kvm->vm.vm_fd, fds, e);
	if (!ret)
		ret = set_clock(kvm, e); /* for what KVM says to it: resume sets it anew */
	if (!ret)
		ret = board_load(&kvm->board, &board, e);
	if (!ret && (!blob_ended(&facts) || !blob_ended(&board)))
		ret = gw_error_set(e, -EBADMSG, "guest", "its state has bytes that nobody knows");
	if (ret)
		return ret;
	kvm->has_state = 1;
	kvm->has_come = 1;
	kvm->has_guest = 1;
	return 0;
}

static ssize_t kvm_needs(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct kvm *kvm = ctx;

	return host_facts_needs(kvm->facts, buf, size_bytes, e);
}

static int kvm_lacks(void *ctx, const void *needs, size_t size_bytes, struct gw_blocker *blockers,
		     uint32_t max_blockers)
{
	struct kvm *kvm = ctx;

	return host_facts_lacks(kvm->facts, needs, size_bytes, blockers, max_blockers);
}

static void kvm_check(void *ctx)
{
	struct kvm *kvm = ctx;
	int running = vcpus_running(kvm->vcpus);

	if (!kvm->has_guest || kvm->kind != GUEST_BARE)
		return;
	vcpus_pause(kvm->vcpus, NULL);
	pthread_mutex_lock(&kvm->lock);
	bare_guest_check(kvm->config.memory, &kvm->check_errors, kvm->check_error);
	pthread_mutex_unlock(&kvm->lock);
	if (running)
		vcpus_resume(kvm->vcpus, NULL);
}

static void kvm_counters(void *ctx, struct guest_counters *counters)
{
	struct kvm *kvm = ctx;

	*counters = (struct guest_counters){ 0 };
	if (kvm->has_guest && kvm->kind == GUEST_BARE)
		bare_guest_counters(kvm->config.memory, counters);
	pthread_mutex_lock(&kvm->lock);
	if (!counters->errors)
		memcpy(counters->first_error, kvm->check_error, sizeof(counters->first_error));
	counters->errors += kvm->check_errors;
	pthread_mutex_unlock(&kvm->lock);
	counters->nr_vcpus = vcpus_nr(kvm->vcpus);
	counters->running = vcpus_running(kvm->vcpus);
	counters->throttle_percent = kvm->throttle_percent;
}

static const char *kvm_log_name(void *ctx)
{
	struct kvm *kvm = ctx;

	return gw_kvm_log_name(kvm->vm.log);
}

static const char *kvm_driver(void *ctx, uint32_t device, uint64_t *peer_writes)
{
	struct kvm *kvm = ctx;

	*peer_writes = 0;
	return kvm->kind == GUEST_BARE ? bare_guest_driver(&kvm->config.infos[device]) : "";
}

static int kvm_failure(void *ctx, struct gw_error *e)
{
	struct kvm *kvm = ctx;

	return vcpus_failure(kvm->vcpus, e);
}

static int kvm_fault(void *ctx, const char *kind, struct gw_error *e)
{
	struct kvm *kvm = ctx;
	int ret = 0;

	if (!kvm->has_guest)
		return gw_error_set(e, -ENOENT, "guest", "there is none yet");
	if (!strcmp(kind, "vcpu"))
		vcpus_break(kvm->vcpus);
	else if (kvm->kind == GUEST_BARE)
		ret = bare_guest_order(kvm->config.memory, kind, e);
	else
		ret = gw_error_set(e, -EINVAL, "guest",
				   "a kernel of somebody else's cannot be told to fail: only \"vcpu\"");
	if (!ret)
		kvm->ordered = 1;
	return ret;
}

const struct executor_ops executor_kvm = {
	.name = "KVM",
	.open = kvm_open,
	.close = kvm_close,
	.boot = kvm_boot,
	.vm = {
		.size = sizeof(struct gw_vm_ops),
		.pause = kvm_pause,
		.resume = kvm_resume,
		.dirty_start = kvm_dirty_start,
		.dirty_sync = kvm_dirty_sync,
		.dirty_stop = kvm_dirty_stop,
		.state_save = kvm_save,
		.state_load = kvm_load,
		.throttle = kvm_throttle,
		.needs = kvm_needs,
		.lacks = kvm_lacks,
	},
	.check = kvm_check,
	.counters = kvm_counters,
	.log_name = kvm_log_name,
	.driver = kvm_driver,
	.failure = kvm_failure,
	.fault = kvm_fault,
};
