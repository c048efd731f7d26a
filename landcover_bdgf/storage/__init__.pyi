from .atomic import (
    REPORT_FILES as REPORT_FILES,
    atomic_folder as atomic_folder,
    atomic_output as atomic_output,
    check_beside as check_beside,
    check_folder as check_folder,
    check_free_space as check_free_space,
    check_name as check_name,
    check_output as check_output,
    draft_folder as draft_folder,
    remove_abandoned as remove_abandoned,
)
from .cache import cached as cached
from .documents import (
    STRICT as STRICT,
    Document as Document,
    flaw as flaw,
    json_object as json_object,
    open_regular as open_regular,
    read_json as read_json,
    read_toml as read_toml,
)
from .locks import check_not_input as check_not_input, hold as hold, reserved as reserved, short_name as short_name
from .paths import PathLike as PathLike, is_remote as is_remote, typed_path as typed_path
from .records import (
    changed_files as changed_files,
    content_sha256 as content_sha256,
    read_record as read_record,
    record as record,
    record_path as record_path,
    write_record as write_record,
)
from .tensors import (
    Arrays as Arrays,
    digest as digest,
    part as part,
    read_tensors as read_tensors,
    write_tensors as write_tensors,
)
