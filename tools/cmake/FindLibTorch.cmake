# Imported targets for LibTorch, from PyPI's `torch` package or an unpacked LibTorch. Torch's own find_package(Torch) is not
# used, because it needs a CUDA toolkit even if only Torch's CPU part is used.
#   torch::cpu   libtorch_cpu and libc10, and the libgomp that torch loads (a second one would not share its threads);
#                with clang its libomp in place of that
#   torch::nccl  the NCCL that torch loads, where torch has one: the toolkit's would be a second one in the same process
# libtorch_cuda itself is loaded when a GPU is used.
# Hint: LibTorch_ROOT, a folder with include/torch and lib/libtorch_cpu.so.
find_path(LibTorch_INCLUDE_DIR ATen/ATen.h PATH_SUFFIXES include HINTS "${LibTorch_ROOT}")
find_library(LibTorch_CPU_LIBRARY torch_cpu PATH_SUFFIXES lib HINTS "${LibTorch_ROOT}")
find_library(LibTorch_C10_LIBRARY c10 PATH_SUFFIXES lib HINTS "${LibTorch_ROOT}")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
    REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "set LibTorch_ROOT to site-packages/torch of a Python environment with torch, or to LibTorch's folder")

if(LibTorch_FOUND AND NOT TARGET torch::cpu)
    get_filename_component(LibTorch_LIBRARY_DIR "${LibTorch_CPU_LIBRARY}" DIRECTORY)
    file(GLOB LibTorch_GOMP "${LibTorch_LIBRARY_DIR}/libgomp*.so*")
    # Beside its own headers Torch has headers of other libraries, such as fmt. These would hide the installed ones with which
    # spdlog was built, so they are left out of the include folder.
    set(LibTorch_OWN_INCLUDE_DIR "${CMAKE_BINARY_DIR}/torch-include")
    file(REMOVE_RECURSE "${LibTorch_OWN_INCLUDE_DIR}")
    file(MAKE_DIRECTORY "${LibTorch_OWN_INCLUDE_DIR}")
    file(GLOB LibTorch_ENTRIES "${LibTorch_INCLUDE_DIR}/*")
    list(FILTER LibTorch_ENTRIES EXCLUDE REGEX "/(fmt|nlohmann|pybind11)$")
    foreach(entry ${LibTorch_ENTRIES})
        get_filename_component(name "${entry}" NAME)
        file(CREATE_LINK "${entry}" "${LibTorch_OWN_INCLUDE_DIR}/${name}" SYMBOLIC)
    endforeach()
    add_library(torch::cpu INTERFACE IMPORTED)
    set_target_properties(torch::cpu PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_OWN_INCLUDE_DIR};${LibTorch_OWN_INCLUDE_DIR}/torch/csrc/api/include"
        INTERFACE_COMPILE_OPTIONS "$<$<COMPILE_LANGUAGE:CXX>:-fopenmp>"
        # clang's OpenMP has its own library, which also has all functions of libgomp. It comes first, so torch's calls and
        # ours find it, and libgomp is not used.
        INTERFACE_LINK_OPTIONS "$<$<CXX_COMPILER_ID:Clang>:-lomp;-fopenmp>"
        INTERFACE_LINK_LIBRARIES "${LibTorch_CPU_LIBRARY};${LibTorch_C10_LIBRARY};${LibTorch_GOMP}")

    get_filename_component(LibTorch_SITE_PACKAGES "${LibTorch_LIBRARY_DIR}/../.." ABSOLUTE)
    file(GLOB LibTorch_NCCL_DIR "${LibTorch_SITE_PACKAGES}/nvidia/nccl")
    find_library(LibTorch_NCCL_LIBRARY NAMES nccl libnccl.so.2 NAMES_PER_DIR PATH_SUFFIXES lib HINTS "${LibTorch_NCCL_DIR}")
    find_path(LibTorch_NCCL_INCLUDE_DIR nccl.h PATH_SUFFIXES include HINTS "${LibTorch_NCCL_DIR}")
    if(LibTorch_NCCL_LIBRARY AND LibTorch_NCCL_INCLUDE_DIR)
        add_library(torch::nccl UNKNOWN IMPORTED)
        set_target_properties(torch::nccl PROPERTIES
            IMPORTED_LOCATION "${LibTorch_NCCL_LIBRARY}"
            INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_NCCL_INCLUDE_DIR}")
    endif()
endif()
