# Writes OUTPUT from TEMPLATE: of which VERSION and commit the sources in SOURCE are. A file that would be the same stays
# untouched, so that nothing is compiled again.
#   cmake -DSOURCE=... -DVERSION=... -DTEMPLATE=... -DOUTPUT=... -P built_from.cmake
find_package(Git QUIET)
set(COMMIT "")
if(Git_FOUND)
    # Sources of a tarball may lie below another repository, whose commit is not theirs.
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
