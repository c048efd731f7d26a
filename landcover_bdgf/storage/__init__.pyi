from .atomic import check_free_space as check_free_space, draft_folder as draft_folder
from .cache import cached as cached
from .documents import (
    STRICT as STRICT,
    Document as Document,
    flaw as flaw,
    read_json as read_json,
    read_toml as read_toml,
)
from .paths import (
    PathLike as PathLike,
    absolute_path as absolute_path,
    check_exists as check_exists,
    is_remote as is_remote,
    typed_path as typed_path,
)
from .products import (
    Product as Product,
    atomic_folder as atomic_folder,
    atomic_output as atomic_output,
    check as check,
    reserved as reserved,
)
from .records import (
    changed_files as changed_files,
    command_line as command_line,
    content_sha256 as content_sha256,
    file_sha256 as file_sha256,
    read_record as read_record,
    record as record,
    record_path as record_path,
    without_warnings as without_warnings,
    write_record as write_record,
)
from .tensors import (
    Arrays as Arrays,
    digest as digest,
    part as part,
    read_foreign_tensors as read_foreign_tensors,
    read_tensors as read_tensors,
    write_tensors as write_tensors,
)
from .torch_file import read_torch_file as read_torch_file
