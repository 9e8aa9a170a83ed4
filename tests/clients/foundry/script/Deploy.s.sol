// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Box, BoxV2} from "../../contracts/Box.sol";
import {Collectible} from "../../contracts/Collectible.sol";
import {Factory} from "../../contracts/Factory.sol";
import {Items} from "../../contracts/Items.sol";
import {Lock} from "../../contracts/Lock.sol";
import {Proxy} from "../../contracts/Proxy.sol";
import {vm} from "../Vm.sol";

/// Deploys all but the token, uses it, and says where the proxy is.
contract Deploy {
    function run() external returns (address proxy, address authority) {
        uint256 key = vm.envUint("KEY");
        address me = vm.addr(key);
        // A key of nobody, another one in each run, whose account gets code by EIP-7702.
        uint256 nobody = uint256(keccak256(abi.encode(me, vm.getNonce(me))));
        authority = vm.addr(nobody);
        vm.startBroadcast(key);
        Box box = new Box();
        BoxV2 second = new BoxV2();
        proxy = address(new Proxy(address(box), abi.encodeCall(Box.set, (5))));
        Proxy(payable(proxy)).upgradeTo(address(second));
        BoxV2(proxy).increment();
        // Through the deterministic deployment proxy, since this is outside any contract. The salt is of this run.
        Box known = new Box{salt: keccak256(abi.encode(me, proxy))}();
        known.set(9);
        Factory factory = new Factory();
        factory.create(keccak256("foundry"), 10);
        Collectible shells = new Collectible();
        shells.safeTransferFrom(me, address(0xbeef), shells.mint(me));
        Items items = new Items();
        uint256[] memory ids = new uint256[](2);
        uint256[] memory values = new uint256[](2);
        (ids[0], ids[1], values[0], values[1]) = (1, 2, 10, 20);
        items.mintBatch(me, ids, values);
        Lock lock = new Lock();
        lock.stash(3);
        vm.signAndAttachDelegation(address(box), nobody);
        Box(authority).set(11);
        vm.stopBroadcast();
    }
}
