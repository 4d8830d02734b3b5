// A filter of system calls for the inside: what no agent needs and what reaches past namespaces. Keyrings and sockets of
// the virtual machine (vsock) belong to no namespace; new user namespaces, bpf, io_uring and the like are the usual ways
// into the kernel. Such a call fails with EPERM, or ENOSYS where programs then take another way.
// It is a program for the kernel's classic BPF machine, 8 bytes an instruction (linux/filter.h, seccomp(2)).
import { Buffer } from 'node:buffer';

interface Machine {
  /** AUDIT_ARCH_* of linux/audit.h. */
  readonly arch: number;
  readonly denied: readonly number[];
  readonly clone: number;
  readonly clone3: number;
  readonly unshare: number;
  readonly socket: number;
}

/** In both tables: bpf, perf_event_open, userfaultfd, io_uring_*, keyrings, kexec, modules, open_by_handle_at, setns. */
const MACHINES: Partial<Record<NodeJS.Architecture, Machine>> = {
  x64: {
    arch: 0xc000003e,
    denied: [321, 298, 323, 425, 426, 427, 248, 249, 250, 246, 320, 175, 313, 176, 304, 308],
    clone: 56,
    clone3: 435,
    unshare: 272,
    socket: 41,
  },
  arm64: {
    arch: 0xc00000b7,
    denied: [280, 241, 282, 425, 426, 427, 217, 218, 219, 104, 294, 105, 273, 106, 265, 268],
    clone: 220,
    clone3: 435,
    unshare: 97,
    socket: 198,
  },
};

/** CLONE_NEW* of linux/sched.h but NEWTIME, which overlaps the signal byte of clone. */
const NEW_NAMESPACES =
  0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x00020000;
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. */
const FAMILIES = [1, 2, 10, 16];
/** Bit of the x32 calls, which have the same arch. */
const X32 = 0x40000000;

const EPERM = 1;
const ENOSYS = 38;

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const IF_ANY_BIT = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
const ALLOW = 0x7fff0000;
const ERROR = 0x00050000;

/** Offsets in struct seccomp_data; the lower half of an argument comes first on both machines. */
const NUMBER = 0;
const ARCH = 4;
const FIRST_ARGUMENT = 16;

type Instruction = readonly [code: number, yes: number, no: number, value: number];

/** null for a machine that we have no numbers for. */
export function seccompFilter(machine: NodeJS.Architecture = process.arch): Buffer | null {
  const known = MACHINES[machine];
  if (!known) return null;
  const refuse = (error: number): Instruction => [RETURN, 0, 0, ERROR | error];
  const allow: Instruction = [RETURN, 0, 0, ALLOW];
  /** The next instruction is passed over unless the number is this one. */
  const unless = (number: number): Instruction => [IF_EQUAL, 0, 1, number];
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCH],
    // Programs of the 32-bit kind have other numbers: none of them runs.
    [IF_EQUAL, 1, 0, known.arch],
    refuse(ENOSYS),
    [LOAD, 0, 0, NUMBER],
    [IF_AT_LEAST, 0, 1, X32],
    refuse(ENOSYS),
    ...known.denied.flatMap((number) => [unless(number), refuse(EPERM)]),
    // Its flags are behind a pointer; libraries then use clone.
    unless(known.clone3),
    refuse(ENOSYS),
    ...[known.unshare, known.clone].flatMap((number): Instruction[] => [
      [IF_EQUAL, 0, 4, number],
      [LOAD, 0, 0, FIRST_ARGUMENT],
      [IF_ANY_BIT, 0, 1, NEW_NAMESPACES],
      refuse(EPERM),
      allow,
    ]),
    [IF_EQUAL, 0, FAMILIES.length + 2, known.socket],
    [LOAD, 0, 0, FIRST_ARGUMENT],
    ...FAMILIES.map((family, index): Instruction => [IF_EQUAL, FAMILIES.length - index, 0, family]),
    refuse(EPERM),
    allow,
  ];
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, yes, no, value], index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(yes, index * 8 + 2);
    bytes.writeUInt8(no, index * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4);
  });
  return bytes;
}
