// Makes programs believe that the processor is an older one: in a program that loads this, `cpuid` traps, and what it
// says is passed on without the features that the older one lacks. Everything that chooses its instructions by `cpuid`, as
// oneDNN, MLAS, OpenVINO, torch and bertqa do, then chooses the older one's. See ../older.sh.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

struct registers {
    uint32_t a, b, c, d;
};

// Intel's manual, volume 2A, CPUID.
enum { FEATURES = 7, STATE = 0xd, TILES = 0x1d, TILE_PRODUCTS = 0x1e, AVX10 = 0x24 };

static int avx512;
static struct sigaction before;

static void hide(uint32_t leaf, uint32_t part, struct registers *r) {
    if (leaf == FEATURES && part == 0) {
        // AMX: BF16, TILE, INT8.
        r->d &= ~(BIT(22) | BIT(24) | BIT(25));
        if (!avx512) {
            // AVX-512: F, DQ, IFMA, PF, ER, CD, BW, VL.
            r->b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
            // VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ.
            r->c &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
            // 4VNNIW, 4FMAPS, VP2INTERSECT, FP16.
            r->d &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(23));
        }
    } else if (leaf == FEATURES && part == 1) {
        // AMX-FP16; AMX-COMPLEX, AVX10.
        r->a &= ~BIT(21);
        r->d &= ~(BIT(8) | BIT(19));
        if (!avx512) {
            // AVX-VNNI, AVX512-BF16, AVX-IFMA; AVX-VNNI-INT8, AVX-NE-CONVERT, AVX-VNNI-INT16.
            r->a &= ~(BIT(4) | BIT(5) | BIT(23));
            r->d &= ~(BIT(4) | BIT(5) | BIT(10));
        }
    } else if (leaf == STATE && part == 0) {
        // The registers of AMX and AVX-512.
        r->a &= ~(BIT(17) | BIT(18));
        if (!avx512) r->a &= ~(BIT(5) | BIT(6) | BIT(7));
    } else if (leaf == TILES || leaf == TILE_PRODUCTS || leaf == AVX10) {
        memset(r, 0, sizeof *r);
    }
}

static long let_run(unsigned long yes) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, yes); }

static void trapped(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *code = (const unsigned char *)g[REG_RIP];
    if (code[0] != 0x0f || code[1] != 0xa2) {
        // Another fault: it happens again, without this.
        sigaction(SIGSEGV, &before, NULL);
        return;
    }
    uint32_t leaf = g[REG_RAX], part = g[REG_RCX];
    struct registers r;
    let_run(1);
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(part));
    let_run(0);
    hide(leaf, part, &r);
    g[REG_RAX] = r.a, g[REG_RBX] = r.b, g[REG_RCX] = r.c, g[REG_RDX] = r.d;
    g[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    const char *as = getenv("OLDER");
    if (!as) return;
    avx512 = strcmp(as, "avx512-vnni") == 0;
    struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
    sigaction(SIGSEGV, &action, &before);
    // Threads inherit it.
    if (let_run(0) != 0) {
        perror("older: the processor or the kernel cannot let cpuid trap");
        exit(2);
    }
}
