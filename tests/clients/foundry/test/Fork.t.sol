// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Box, BoxV2} from "../../contracts/Box.sol";
import {Lock} from "../../contracts/Lock.sol";
import {Token} from "../../contracts/Token.sol";
import {vm} from "../Vm.sol";

/// Runs on a fork of the chain, from what the script and `forge create` left there.
contract ForkTest {
    Token private token = Token(vm.envAddress("TOKEN"));
    BoxV2 private box = BoxV2(vm.envAddress("PROXY"));
    address private me = vm.addr(vm.envUint("KEY"));

    function testStateOfTheChain() external view {
        require(token.totalSupply() == 1_000_000, "supply");
        require(box.value() == 6 && box.version() == 2, "the upgraded proxy");
        require(me.balance > 1 ether, "balance");
        require(block.number > 0 && block.chainid == 1337, "block");
        require(blockhash(block.number - 1) != 0, "block hash");
    }

    function testWritesOnTheFork() external {
        vm.prank(me);
        token.transfer(address(this), 7);
        require(token.balanceOf(address(this)) == 7, "transferred");
        box.increment();
        require(box.value() == 7, "incremented");
    }

    function testErrors() external {
        vm.expectRevert(abi.encodeWithSignature("Error(string)", "a box is never empty"));
        box.set(0);
        vm.expectRevert(abi.encodeWithSelector(Box.TooLarge.selector, 2_000_000, 1_000_000));
        box.set(2_000_000);
    }

    function testTransientStorage() external {
        Lock lock = new Lock();
        vm.expectRevert(abi.encodeWithSelector(Lock.Locked.selector));
        lock.reenter();
    }
}
