/* SPDX-License-Identifier: Apache-2.0 */
/* The program caudex. */
#include "cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc > 0 ? argc - 1 : 0, argv + (argc > 0));
}
