"""Whether this Python has the torch that the programs of a bundle need; run by run-here.sh.

Usage: PYTHON torch_here.py VERSION. Prints the folders of torch's libraries, joined by ':'. If the torch does not fit,
prints one line that says what is wanted and what was found, and ends with exit code 2. Torch is not imported, because that
takes seconds. Any Python 3 can run this file, so that an old Python gets this line too.
"""

import importlib.util
import os
import platform
import re
import sys


def read_wanted(path):
    with open(path) as file:
        return {key: words for key, *words in (line.split() for line in file)}


def numbers(text):
    return tuple(int(part) for part in text.split("."))


def c_library():
    """The version of the GNU C library; "" if the C library is another one."""
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
    except (AttributeError, ValueError):
        return ""
    return version if name == "glibc" else ""


def torch_version(folder):
    """What torch/version.py says, as a dictionary."""
    try:
        with open(os.path.join(folder, "version.py")) as file:
            return {key: value for key, value in re.findall(r"^(\w+)[^=\n]*= *'([^']*)'", file.read(), re.MULTILINE)}
    except OSError:
        return {}


def folders_of(libraries, torch):
    """The folders that hold these libraries (torch's, NVIDIA's packages, the prefix), and the libraries that none of them holds."""
    packages = os.path.dirname(torch)
    nvidia = os.path.join(packages, "nvidia")
    places = [os.path.join(torch, "lib")]
    if os.path.isdir(nvidia):
        places += sorted(os.path.join(nvidia, name, "lib") for name in os.listdir(nvidia))
    places.append(os.path.join(sys.prefix, "lib"))
    found, missing = [], []
    for library in libraries:
        holders = [place for place in places if os.path.exists(os.path.join(place, library))]
        if not holders:
            missing.append(library)
        elif holders[0] not in found:
            found.append(holders[0])
    return found, missing


def judge(wanted):
    """(folders, "") or ("", what is wrong)."""
    machine, least_glibc = wanted["machine"][0], wanted["glibc"][0]
    if platform.machine() != machine:
        return "", "a machine of kind %s is wanted; this one is %s" % (machine, platform.machine())
    glibc = c_library()
    if not glibc or numbers(glibc) < numbers(least_glibc):
        return "", "the GNU C library %s or newer is wanted; this machine has %s" % (least_glibc, glibc or "another one")
    least, most = wanted["python"]
    if not numbers(least) <= sys.version_info[:2] <= numbers(most):
        return "", "Python %s to %s is wanted; it is %d.%d" % (least, most, *sys.version_info[:2])
    release, cuda = wanted["torch"][0], wanted["cuda"][0]
    named = "torch %s for CUDA %s is wanted" % (release, cuda.split(".")[0])
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return "", named + "; it has no torch"
    torch = list(spec.submodule_search_locations)[0]
    found = torch_version(torch)
    version, found_cuda = found.get("__version__", "of no version"), found.get("cuda", "")
    if ".".join(version.split("+")[0].split(".")[:2]) != release or found_cuda.split(".")[0] != cuda.split(".")[0]:
        return "", "%s; it has torch %s for %s" % (named, version, "CUDA " + found_cuda if found_cuda else "no CUDA")
    folders, missing = folders_of(wanted["libraries"], torch)
    if missing:
        return "", "%s; its torch %s lacks %s" % (named, version, ", ".join(missing))
    return ":".join(folders), ""


if __name__ == "__main__":
    folders, wrong = judge(read_wanted(sys.argv[1]))
    print(folders or wrong)
    sys.exit(2 if wrong else 0)
