# Writes OUTPUT from TEMPLATE, with the VERSION and the commit of the sources in SOURCE. If the file would be the same, it
# stays untouched, so that nothing is compiled again.
#   cmake -DSOURCE=... -DVERSION=... -DTEMPLATE=... -DOUTPUT=... -P built_from.cmake
find_package(Git QUIET)
set(COMMIT "")
if(Git_FOUND)
    # Sources from a tarball may lie below another repository. The commit of that repository is not theirs.
    get_filename_component(above "${SOURCE}" DIRECTORY)
    set(ENV{GIT_CEILING_DIRECTORIES} "${above}")
    set(ENV{GIT_OPTIONAL_LOCKS} 0)
    execute_process(
        COMMAND "${GIT_EXECUTABLE}" -C "${SOURCE}" -c "safe.directory=${SOURCE}"
                describe --always --dirty --abbrev=12 --exclude=*
        OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT COMMIT)
    set(COMMIT unknown)
endif()
configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY)
