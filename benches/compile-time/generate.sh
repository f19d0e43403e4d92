# Crates to compile. Read by `run`.

# Structs x fields.
shapes=(1x1 1x10 1x50 1x200 100x10)

# What is built cold, and its name in the table.
builds=(level level-memory tower)
declare -A titles=(
    [level]="level-session, default features (fjall, axum, derive)"
    [level-memory]="level-session with \`MemoryStore\` (axum, derive)"
    [tower]="tower-sessions 0.15, default features (\`MemoryStore\`, axum)"
)

# workspace DIR ROOT: one crate for each shape and each kind of derive.
workspace() {
    local dir=$1 root=$2 shape kind
    mkdir -p "$dir"
    printf '[workspace]\nresolver = "3"\nmembers = ["level-*x*", "nolevel-*", "serde-*", "noserde-*"]\n' >"$dir/Cargo.toml"
    cp "$root/Cargo.lock" "$dir/Cargo.lock"
    for shape in "${shapes[@]}"; do
        for kind in level serde nolevel noserde; do
            mkdir -p "$dir/$kind-$shape/src"
            manifest "$kind-$shape" "$kind" "$root" >"$dir/$kind-$shape/Cargo.toml"
            source_of "$kind" "${shape%x*}" "${shape#*x}" >"$dir/$kind-$shape/src/lib.rs"
        done
    done
}

manifest() {
    printf '[package]\nname = "%s"\nedition = "2024"\n\n[dependencies]\n' "$1"
    case $2 in
        *level) printf 'level-session = { path = "%s/session", default-features = false, features = ["derive"] }\n' "$3" ;;
        *serde) printf 'serde = { version = "1", features = ["derive"] }\n' ;;
    esac
}

# source_of KIND STRUCTS FIELDS
source_of() {
    local kind=$1 structs=$2 fields=$3 s f
    echo '//! Generated.'
    echo '#![allow(dead_code)]'
    case $kind in
        nolevel) echo 'use level_session as _;' ;;
        noserde) echo 'use serde as _;' ;;
    esac
    for s in $(seq "$structs"); do
        case $kind in
            level) printf '#[derive(level_session::SessionData)]\n#[session(namespace = "s%s")]\n' "$s" ;;
            serde) echo '#[derive(serde::Serialize, serde::Deserialize)]' ;;
        esac
        echo "pub struct S$s {"
        for f in $(seq "$fields"); do
            field "$kind" "$f"
        done
        echo '}'
    done
}

# A session's ordinary fields, in turn; each with an attribute where a session's would have one.
field() {
    local attribute type
    case $(($2 % 5)) in
        0) attribute=default type='Vec<String>' ;;
        1) attribute='' type='Option<u64>' ;;
        2) attribute=default type=String ;;
        3) attribute=counter type=u32 ;;
        4) attribute='ttl = "10m"' type='Option<String>' ;;
    esac
    echo "    /// The field number $2."
    if [ "$1" = level ] && [ -n "$attribute" ]; then
        echo "    #[session($attribute)]"
    fi
    echo "    pub f$2: $type,"
}

# package DIR NAME ROOT: a crate of one dependency.
package() {
    mkdir -p "$1/$2/src"
    printf '//! Nothing: what counts is the dependency.\n' >"$1/$2/src/lib.rs"
    {
        printf '[package]\nname = "cold-%s"\nedition = "2024"\n\n[workspace]\n\n[dependencies]\n' "$2"
        case $2 in
            level) printf 'level-session = { path = "%s/session" }\n' "$3" ;;
            level-memory) printf 'level-session = { path = "%s/session", default-features = false, features = ["derive", "axum"] }\n' "$3" ;;
            tower) printf 'tower-sessions = "0.15"\n' ;;
        esac
    } >"$1/$2/Cargo.toml"
    case $2 in
        level*) cp "$3/Cargo.lock" "$1/$2/Cargo.lock" ;;
    esac
}
