/*
 * A plugin of qemu-user that counts the program's instructions and prints the sum at its end. Debian 12 packages neither qemu's
 * own such plugin nor the header of the interface; these are its declarations (qemu-plugin.h of qemu 7.2, version 1).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *ptr, uint64_t imm);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
#define ADD_U64 0

int qemu_plugin_version = 1;

/* Threads add to it without a lock: what a lost addition hides is far below a step's instructions. */
static uint64_t instructions;

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &instructions, qemu_plugin_tb_n_insns(tb));
}

static void ended(plugin_id id, void *data)
{
	(void)id;
	(void)data;
	fprintf(stderr, "instructions %llu\n", (unsigned long long)instructions);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	(void)argc;
	(void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
