"""A library with the machine code of one NVIDIA architecture: python one_architecture.py LIBRARY 90 OUTPUT

CUDA's fat binaries (section .nv_fatbin) hold the code of each architecture as an entry of its own: a header of 16 bytes
(magic 0xBA55ED50, version, header size, size of what follows), then entries, each with kind (1 PTX, 2 machine code),
header size, payload size and architecture. Payloads of other architectures are filled with zeros, which compress to
nothing; the driver picks by the headers and never reads them.
"""

import struct
import sys

MAGIC = struct.pack("<I", 0xBA55ED50)


def main() -> None:
    library, architecture, output = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    data = bytearray(open(library, "rb").read())
    kept = zeroed = 0
    at = data.find(MAGIC)
    while at >= 0:
        _, version, header, size = struct.unpack_from("<IHHQ", data, at)
        if version != 1 or header != 16 or at + header + size > len(data):
            at = data.find(MAGIC, at + 4)
            continue
        entry, end = at + header, at + header + size
        while entry < end:
            kind, _, entry_header, payload = struct.unpack_from("<HHIQ", data, entry)
            (found,) = struct.unpack_from("<I", data, entry + 28)
            if kind not in (1, 2) or entry_header < 32:
                break
            if kind == 2 and found == architecture:
                kept += payload
            else:
                start = entry + entry_header
                data[start:start + payload] = bytes(payload)
                zeroed += payload
            entry += entry_header + payload
        at = data.find(MAGIC, end)
    if kept == 0:
        sys.exit(f"{library}: found no code for sm_{architecture}")
    open(output, "wb").write(data)
    print(f"{library}: {kept} bytes for sm_{architecture} kept, {zeroed} zeroed")


main()
