#!/usr/bin/env bash
# Downloads the real inputs, for users with a network: SQuAD 2.0 and BERT-Large.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: tools/fetch.sh --output DIR [squad] [bert-large-uncased]

Downloads both inputs into the folder DIR, or only the input that you name:
  squad                DIR/squad/train-v2.0.json and dev-v2.0.json (46 MB), from rajpurkar.github.io
  bert-large-uncased   DIR/bert-large-uncased/, a Hugging Face folder (1.3 GB), from huggingface.co

  --output DIR         folder for the downloads; it is made if it does not exist

Every file is checked. SQuAD's files must have the SHA-256 sums of this script. The model's files must have the sums that
huggingface.co gives, and the sizes of BERT-Large. Files that are already there and right are kept. If a download is
interrupted (it leaves FILE.part), run the same command again: it goes on where it stopped. Needs curl and python3.

Environment: BV_SQUAD_URL and BV_HUB_URL name mirrors; curl's own settings (https_proxy) are used.

Then for example (4 TB of disk; without --model 400 GB, because the small BERT is used):
  launch/debug.sh --config configs/minilm.toml --squad DIR/squad --model DIR/bert-large-uncased
EOF
}

say() { echo "fetch: $*" >&2; }
fail() {
    echo "error: fetch.sh: $*" >&2
    exit "${code:-1}"
}

squad_url=${BV_SQUAD_URL:-https://rajpurkar.github.io/SQuAD-explorer/dataset}
hub_url=${BV_HUB_URL:-https://huggingface.co/google-bert/bert-large-uncased/resolve/main}
declare -A squad_sums=(
    [train-v2.0.json]=68dcfbb971bd3e96d5b46c7177b16c1a4e7d4bdef19fb204502738552dede002
    [dev-v2.0.json]=80a5225e94905956a6446d296ca1093975c4d3b3260f1d6c8f68bfc2ab77182d
)

sha256_of() { sha256sum "$1" | cut -d' ' -f1; }
git_blob_of() { { printf 'blob %s\0' "$(stat -c %s "$1")" && cat "$1"; } | sha1sum | cut -d' ' -f1; }

# matches FILE SUM: whether FILE has the sum SUM. 64 digits are a SHA-256; 40 digits are the name of a git blob, which the hub
# uses for small files. An empty SUM matches every file.
matches() {
    case ${#2} in
        0) true ;;
        40) [[ $(git_blob_of "$1") == "$2" ]] ;;
        64) [[ $(sha256_of "$1") == "$2" ]] ;;
        *) false ;;
    esac
}

# The sum that the hub gives for a file: X-Linked-ETag for large files, ETag for others. Empty if there is none.
hub_sum() {
    local headers
    headers=$(curl --silent --show-error --location --head --connect-timeout 30 "$1") || fail "cannot reach $1"
    tr -d '\r"' <<<"$headers" | awk '{ name = tolower($1); sub(/^W\//, "", $2) }
        name == "x-linked-etag:" { linked = $2 }
        name == "etag:" && $2 ~ /^[0-9a-f]+$/ && (length($2) == 40 || length($2) == 64) { plain = $2 }
        END { print linked != "" ? linked : plain }'
}

# download URL PART: goes on where PART ends. Returns curl's exit code.
download() {
    local get=(curl --fail --location --retry 5 --connect-timeout 30 --continue-at - --output "$2" "$1")
    [[ -t 2 ]] && get+=(--progress-bar) || get+=(--silent --show-error)
    "${get[@]}"
}

# fetch URL FILE SUM
fetch() {
    local url=$1 file=$2 sum=$3 part=$2.part status=0 begun=''
    if [[ -e $file ]]; then
        matches "$file" "$sum" || fail "$file is there, but its checksum is not $sum; move it away"
        say "there: $file"
        return
    fi
    say "$url"
    mkdir -p "$(dirname "$file")"
    [[ ! -s $part ]] || begun=1
    download "$url" "$part" || status=$?
    # The part that an earlier run left may belong to another file, or be longer than the server's file (exit codes 22, 33,
    # 36). Then the download starts again from the beginning.
    if [[ $begun ]] && { [[ $status =~ ^(22|33|36)$ ]] || { ((status == 0)) && ! matches "$part" "$sum"; }; }; then
        rm -f "$part"
        status=0
        download "$url" "$part" || status=$?
    fi
    ((status == 0)) || fail "$url was not downloaded (curl's exit code $status); run this again to go on"
    if ! matches "$part" "$sum"; then
        rm "$part"
        fail "the file from $url does not have the checksum $sum; it was removed"
    fi
    mv "$part" "$file"
    [[ $sum ]] || say "$url gives no checksum; only the content of $file is checked"
}

# Whether the folder's files agree with each other and are BERT-Large, uncased.
check_model() {
    python3 - "$1" <<'EOF'
import json, math, pathlib, sys
folder = pathlib.Path(sys.argv[1])
try:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for key, wanted in {"model_type": "bert", "hidden_size": 1024, "num_hidden_layers": 24, "vocab_size": 30522}.items():
        if config.get(key) != wanted:
            sys.exit(f"{folder}/config.json: {key} is {config.get(key)!r}, BERT-Large's is {wanted!r}")
    lines = len((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
    if lines != 30522:
        sys.exit(f"{folder}/vocab.txt: {lines} lines, not 30,522")
    weights = folder / "model.safetensors"
    with open(weights, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(length, 1 << 27)))
    tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
    if not tensors:
        sys.exit(f"{weights}: holds no tensors")
    size = 8 + length + max(tensor["data_offsets"][1] for tensor in tensors.values())
    if weights.stat().st_size != size:
        sys.exit(f"{weights}: {weights.stat().st_size:,} bytes, its header describes {size:,}")
    encoder = [math.prod(tensor["shape"]) for name, tensor in tensors.items()
               if not name.startswith("cls.") and "position_ids" not in name]
    if sum(encoder) != 335_141_888:
        sys.exit(f"{weights}: {sum(encoder):,} parameters, BERT-Large has 335,141,888")
except (OSError, ValueError, KeyError, TypeError) as wrong:
    sys.exit(f"{folder}: {wrong}")
EOF
}

output='' wanted=()
while (($#)); do
    case $1 in
        -h | --help) usage || exit 2; exit 0 ;;
        --output)
            [[ ${2:-} ]] || code=2 fail "--output wants a folder"
            output=$2 && shift 2
            ;;
        squad | bert-large-uncased) wanted+=("$1") && shift ;;
        *) code=2 fail "unknown argument '$1'; see tools/fetch.sh --help" ;;
    esac
done
[[ $output ]] || code=2 fail "--output is missing; see tools/fetch.sh --help"
((${#wanted[@]})) || wanted=(squad bert-large-uncased)
for tool in curl python3; do command -v "$tool" >/dev/null || fail "$tool is missing"; done

for what in "${wanted[@]}"; do
    if [[ $what == squad ]]; then
        for name in train-v2.0.json dev-v2.0.json; do
            fetch "$squad_url/$name" "$output/squad/$name" "${squad_sums[$name]}"
        done
    else
        for name in config.json tokenizer_config.json vocab.txt model.safetensors; do
            sum=$(hub_sum "$hub_url/$name")
            fetch "$hub_url/$name" "$output/$what/$name" "$sum"
        done
        complaint=$(check_model "$output/$what" 2>&1) || fail "$complaint"
    fi
    say "complete: $output/$what"
done
